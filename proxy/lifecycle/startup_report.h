// Public. The lines that weir prints when it has started. Text only: what is
// true is handed in.

#ifndef PROXY_LIFECYCLE_STARTUP_REPORT_H_
#define PROXY_LIFECYCLE_STARTUP_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reactor/clock.h"

namespace weir {

// A forward's line:
//
//   pg    127.0.0.1:5432 [::1]:5432  ->  db1:5432 (10.0.0.5)
//   web   *:8080                     ->  127.0.0.1:3000
struct ForwardReport {
  std::string name;
  // What it listens on, with the ports that the kernel gave: "127.0.0.1:5432".
  std::vector<std::string> bound;
  // What it does not, and why: "[::1] skipped: Address family not supported".
  std::vector<std::string> skipped;
  // As in TargetSpec::text.
  std::string target;
  // What the name stands for so far: "10.0.0.5", or "resolving"; empty where
  // there is no name.
  std::string resolved;
};

struct StartupReport {
  std::string version;
  int64_t pid = 0;
  int reactors = 0;
  std::string poller;
  bool splice = false;      // of at least one forward
  int64_t descriptors = 0;  // how many the process may open; 0: not said
  int64_t max_connections = 0;
  std::vector<ForwardReport> forwards;
  // Where the admin port is: "http://127.0.0.1:9464" or "unix:/path"; empty:
  // off.
  std::string admin;
  std::string probes;                         // likewise
  std::string access_log;                     // its file; empty: off
  Duration took = Duration::zero();           // from start to here
  Duration drain_timeout = Duration::zero();  // of a drain by signal
};

// How `address` is shown among the bound ones: every interface as "*:8080" when
// both families of it are bound. `bound` is changed in place.
void MergeWildcards(std::vector<std::string>* bound);

// Several lines, each ending with a newline:
//
//   weir 0.1.0  pid 4242  2 reactors (epoll)  fds 20000 (max 9900 connections)
//   pg    127.0.0.1:5432 [::1]:5432  ->  db1:5432 (resolving)
//   admin http://127.0.0.1:9464  /  /metrics  /ready  /live
//   ready in 4 ms. Ctrl-C drains up to 25s; again stops now.
//
// Control characters in it are shown as '?'.
std::string FormatStartupReport(const StartupReport& report);

}  // namespace weir

#endif  // PROXY_LIFECYCLE_STARTUP_REPORT_H_
