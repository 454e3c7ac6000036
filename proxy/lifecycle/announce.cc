// What the proxy tells people and programs when it has started.

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proxy/config/version.h"
#include "proxy/lifecycle/instance_file.h"
#include "proxy/lifecycle/ports_file.h"
#include "proxy/lifecycle/proxy.h"
#include "proxy/lifecycle/startup_report.h"

namespace weir {
namespace {

// What is known of a target's name so soon; empty for what has none.
std::string Resolved(const TargetSpec& target, const AddressList& list) {
  if (target.kind == TargetSpec::Kind::kUnix) return "";
  if (list.generation == 0) return "resolving";
  if (list.addresses.empty()) return "unknown";
  const std::string address = list.addresses[0].HostText();
  return address == target.host ? "" : address;
}

ForwardReport ReportOf(const ForwardSpec& spec, const BoundForward& bound,
                       const AddressList& list) {
  ForwardReport report{.name = spec.name,
                       .bound = {},
                       .skipped = bound.skipped,
                       .target = spec.target.text,
                       .resolved = Resolved(spec.target, list)};
  for (const ListeningSocket& socket : bound.sockets) {
    report.bound.push_back(socket.address.ToString());
  }
  return report;
}

PortEntry EntryOf(const std::string& name, const Address& address) {
  if (address.is_ip()) return {name, address.HostText(), address.port()};
  const std::string_view abstract = address.unix_abstract();
  return {name,
          abstract.empty() ? std::string(address.unix_path())
                           : absl::StrCat("@", std::string(abstract)),
          0};
}

// "http://127.0.0.1:9464", "unix:/path".
std::string UrlOf(const Address& address) {
  return absl::StrCat(address.is_ip() ? "http://" : "", address.ToString());
}

}  // namespace

absl::Status Proxy::WritePorts() const {
  if (settings_.ports_file.empty()) return absl::OkStatus();
  std::vector<PortEntry> ports;
  for (size_t i = 0; i < forwards_.size(); ++i) {
    for (const ListeningSocket& socket : bound_[i].sockets) {
      ports.push_back(EntryOf(forwards_[i].name, socket.address));
    }
  }
  if (admin_ != nullptr) ports.push_back(EntryOf("admin", admin_address_));
  if (probes_ != nullptr) ports.push_back(EntryOf("probes", probes_address_));
  return WritePortsFile(settings_.ports_file, ports);
}

void Proxy::WriteInstanceFile() {
  const absl::Status written =
      instance_file_.Write(RunDirectory(), admin_address_);
  if (written.ok()) return;
  // A file system that cannot be written is common in containers: no warning.
  log_->Plain(LogLevel::kVerbose,
              absl::StrCat("weir: weir status and the like need --admin: ",
                           written.message()));
}

absl::Status Proxy::Announce() {
  StartupReport report{.version = std::string(kVersion),
                       .pid = getpid(),
                       .reactors = static_cast<int>(workers_.size()),
                       .poller = poller_,
                       .splice = Pipes() > 0,
                       .descriptors = fd_limit_,
                       .max_connections = admission_->max(),
                       .forwards = {},
                       .admin = {},
                       .drain_timeout = settings_.drain.timeout};
  for (size_t i = 0; i < forwards_.size(); ++i) {
    report.forwards.push_back(
        ReportOf(forwards_[i], bound_[i], *upstreams_->Current(i)));
  }
  if (admin_ != nullptr) {
    report.admin = UrlOf(admin_address_);
    WriteInstanceFile();
  }
  if (probes_ != nullptr) report.probes = UrlOf(probes_address_);
  report.access_log = settings_.access_log.file;
  report.took = Clock::Real().Now() - created_at_;
  for (const std::string& warning : std::exchange(warnings_, {})) {
    log_->Plain(LogLevel::kWarning, absl::StrCat("weir: ", warning));
  }
  for (absl::string_view line :
       absl::StrSplit(FormatStartupReport(report), '\n', absl::SkipEmpty())) {
    log_->Plain(LogLevel::kInfo, std::string_view(line.data(), line.size()));
  }
  return settings_.ready_fd < 0 ? absl::OkStatus()
                                : WriteReady(settings_.ready_fd);
}

}  // namespace weir
