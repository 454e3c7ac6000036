// What the machine allows: processors, memory, descriptors.

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "reactor/cpu_count.h"
#include "reactor/fd_limit.h"
#include "reactor/memory_limit.h"

namespace weir {
namespace {

constexpr int64_t kMiB = 1024 * 1024;

// A folder that stands for a machine of 1000 MiB.
class LimitsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/rootXXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    Write("/proc/meminfo",
          "MemTotal:        1024000 kB\n"
          "MemFree:          512000 kB\n");
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  void Write(const std::string& path, const std::string& content) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  void Version2Mount(const std::string& group = "/") {
    Write("/proc/self/mountinfo",
          "20 1 0:5 / / rw shared:1 - ext4 /dev/root rw\n"
          "30 20 0:26 " +
              group +
              " /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 "
              "rw,nsdelegate\n");
  }
  void Version1Mounts() {
    Write("/proc/self/mountinfo",
          "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
          "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup "
          "rw,cpu,cpuacct\n"
          "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
          "38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  }

  std::string root_;
};

TEST_F(LimitsTest, WithoutGroupsThereIsNoQuota) {
  EXPECT_EQ(CpuQuota(root_), std::nullopt);
  EXPECT_EQ(CpuCount(root_), static_cast<int>(AllowedCpus().size()));
  EXPECT_EQ(MemoryLimit(root_), 1000 * kMiB);
}

TEST_F(LimitsTest, Version2TakesTheSmallestOfThePath) {
  Version2Mount();
  Write("/proc/self/cgroup", "0::/a.slice/b:c/d\n");
  Write("/sys/fs/cgroup/a.slice/b:c/d/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/a.slice/b:c/cpu.max", "150000 100000\n");
  Write("/sys/fs/cgroup/a.slice/cpu.max", "50000 10000\n");
  Write("/sys/fs/cgroup/a.slice/b:c/d/memory.max", "max\n");
  Write("/sys/fs/cgroup/a.slice/b:c/memory.max", "838860800\n");
  Write("/sys/fs/cgroup/a.slice/memory.max", "104857600\n");
  EXPECT_EQ(CpuQuota(root_), 1.5);
  EXPECT_EQ(MemoryLimit(root_), 100 * kMiB);
  // The group itself counts too, and so does the top that is mounted.
  Write("/sys/fs/cgroup/a.slice/b:c/d/cpu.max", "125000 100000\n");
  Write("/sys/fs/cgroup/memory.max", "52428800\n");
  EXPECT_EQ(CpuQuota(root_), 1.25);
  EXPECT_EQ(MemoryLimit(root_), 50 * kMiB);
  Write("/sys/fs/cgroup/cpu.max", "90000 100000\n");
  EXPECT_EQ(CpuQuota(root_), 0.9);
  EXPECT_EQ(CpuCount(root_), 1);
  // Not those of neighbours.
  Write("/sys/fs/cgroup/x/cpu.max", "10000 100000\n");
  EXPECT_EQ(CpuQuota(root_), 0.9);
}

TEST_F(LimitsTest, Version1) {
  Version1Mounts();
  Write("/proc/self/cgroup",
        "9:name=systemd:/\n"
        "4:memory:/jobs/7\n"
        "1:cpu,cpuacct:/jobs/8\n"
        "0::/\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/jobs/8/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/jobs/8/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes",
        "9223372036854771712\n");
  EXPECT_EQ(CpuQuota(root_), std::nullopt);
  EXPECT_EQ(MemoryLimit(root_), 1000 * kMiB);

  Write("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "250000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "67108864\n");
  EXPECT_EQ(CpuQuota(root_), 2.5);
  EXPECT_EQ(MemoryLimit(root_), 64 * kMiB);
}

TEST_F(LimitsTest, HybridTakesTheSmallerOfBoth) {
  Version1Mounts();
  Write("/proc/self/cgroup",
        "4:memory:/m\n"
        "1:cpu,cpuacct:/c\n"
        "0::/u\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "300000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "83886080\n");
  Write("/sys/fs/cgroup/unified/u/cpu.max", "200000 100000\n");
  Write("/sys/fs/cgroup/unified/u/memory.max", "41943040\n");
  EXPECT_EQ(CpuQuota(root_), 2.0);
  EXPECT_EQ(MemoryLimit(root_), 40 * kMiB);
  Write("/sys/fs/cgroup/unified/u/cpu.max", "400000 100000\n");
  Write("/sys/fs/cgroup/unified/u/memory.max", "max\n");
  EXPECT_EQ(CpuQuota(root_), 3.0);
  EXPECT_EQ(MemoryLimit(root_), 80 * kMiB);
}

// A container that mounts its own group and sees the host's names.
TEST_F(LimitsTest, GroupThatIsMountedItself) {
  Version2Mount("/docker/abc");
  Write("/proc/self/cgroup", "0::/docker/abc/child\n");
  Write("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  Write("/sys/fs/cgroup/child/memory.max", "41943040\n");
  EXPECT_EQ(CpuQuota(root_), 1.0);
  EXPECT_EQ(MemoryLimit(root_), 40 * kMiB);
  // A name that only begins alike.
  Write("/proc/self/cgroup", "0::/docker/abcdef/child\n");
  EXPECT_EQ(CpuQuota(root_), 1.0);
  EXPECT_EQ(MemoryLimit(root_), 1000 * kMiB);
}

// A process that was moved out of the group its namespace began in.
TEST_F(LimitsTest, GroupOutsideOfItsNamespace) {
  Version2Mount();
  Write("/proc/self/cgroup", "0::/../other\n");
  Write("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(CpuQuota(root_), 1.0);
}

TEST_F(LimitsTest, MountPointWithABlank) {
  Write("/proc/self/mountinfo",
        "30 20 0:26 / /c\\040group rw - cgroup2 cgroup2 rw\n");
  Write("/proc/self/cgroup", "0::/\n");
  Write("/c group/cpu.max", "100000 200000\n");
  EXPECT_EQ(CpuQuota(root_), 0.5);
}

TEST_F(LimitsTest, NonsenseIsNoLimit) {
  Version2Mount();
  Write("/proc/self/cgroup", "nonsense\n0::/a\n");
  for (const char* text :
       {"", "max", "0 100000", "-5 100000", "100000 0", "x y", "100000",
        "99999999999999999999 1", "1 2 3"}) {
    Write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(CpuQuota(root_), std::nullopt) << text;
  }
  for (const char* text : {"", "x", "-1", "99999999999999999999"}) {
    Write("/sys/fs/cgroup/a/memory.max", text);
    EXPECT_EQ(MemoryLimit(root_), 1000 * kMiB) << text;
  }
  std::filesystem::remove(root_ + "/proc/meminfo");
  EXPECT_EQ(MemoryLimit(root_), 0);
}

TEST_F(LimitsTest, QuotaIsRoundedUpAndNeverAboveTheMask) {
  Version2Mount();
  Write("/proc/self/cgroup", "0::/\n");
  const int allowed = static_cast<int>(AllowedCpus().size());
  Write("/sys/fs/cgroup/cpu.max", "1000 100000\n");
  EXPECT_EQ(CpuCount(root_), 1);
  Write("/sys/fs/cgroup/cpu.max", "110000 100000\n");
  EXPECT_EQ(CpuCount(root_), std::min(2, allowed));
  Write("/sys/fs/cgroup/cpu.max", "99000000000000 1\n");
  EXPECT_EQ(CpuCount(root_), allowed);
}

TEST_F(LimitsTest, AffinityMaskCounts) {
  // A thread of its own, for the mask is the thread's.
  std::thread([this] {
    const int cpu = AllowedCpus().back();
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ASSERT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
    EXPECT_EQ(AllowedCpus(), std::vector<int>({cpu}));
    EXPECT_EQ(CpuCount(root_), 1);
  }).join();
}

TEST(MachineTest, HasWhatItNeeds) {
  EXPECT_GE(CpuCount(), 1);
  EXPECT_GT(MemoryLimit(), kMiB);
}

TEST(FdLimitTest, SoftLimitIsRaisedToTheHardOne) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t hard = limit.rlim_max;
  limit.rlim_cur = hard / 2;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(RaiseFdLimit(), static_cast<int64_t>(hard));
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, hard);
}

}  // namespace
}  // namespace weir
