// Compose and run, nothing else.

#include <signal.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "glog/logging.h"
#include "proxy/client/commands.h"
#include "proxy/config/client_command.h"
#include "proxy/config/command_line.h"
#include "proxy/config/outgoing_ports.h"
#include "proxy/lifecycle/check.h"
#include "proxy/lifecycle/demo.h"
#include "proxy/lifecycle/proxy.h"
#include "proxy/relay/connector.h"
#include "reactor/signals.h"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int Complain(const absl::Status& status, int code) {
  std::cerr << "weir: " << status.message() << '\n';
  return code;
}

int Execute(weir::HelpCommand command) {
  std::cout << command.text;
  return 0;
}

int Execute(weir::VersionCommand command) {
  std::cout << command.text;
  return 0;
}

int Execute(weir::CheckCommand command) {
  const absl::Status checked = weir::Check(command);
  return checked.ok() ? 0 : Complain(checked, kFailed);
}

int Execute(weir::RunCommand command) {
  const weir::PortRange ports = weir::PortRange::Ephemeral();
  std::vector<std::string> warnings =
      weir::OutgoingPortWarnings(command.forwards, ports.first, ports.last);
  absl::StatusOr<std::unique_ptr<weir::Proxy>> proxy =
      weir::Proxy::Create(std::move(command.settings),
                          std::move(command.forwards), std::move(warnings));
  if (!proxy.ok()) return Complain(proxy.status(), kFailed);
  const absl::StatusOr<int> code = (*proxy)->Run();
  return code.ok() ? *code : Complain(code.status(), kFailed);
}

int Execute(weir::ClientCommand command) { return weir::RunClient(command); }

int Execute(weir::DemoCommand command) {
  const absl::StatusOr<int> code = weir::RunDemo(std::move(command.settings));
  return code.ok() ? *code : Complain(code.status(), kFailed);
}

}  // namespace

int main(int argc, char** argv) {
  // A rotation of logs tells every process of this name. (The proxy's loop
  // takes the signal: BlockSignals().)
  signal(SIGUSR1, SIG_IGN);
  // What glog says (a broken invariant) belongs on stderr, not into files.
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  absl::StatusOr<weir::CommandLine> command =
      weir::ParseCommandLine(argc, argv, environ);
  if (!command.ok()) return Complain(command.status(), kUsage);
  // It keeps the signals as they are: it has no loop that would take them.
  if (const auto* client = std::get_if<weir::ClientCommand>(&*command)) {
    return weir::RunClient(*client);
  }
  // Before the first thread, so that all of them inherit it.
  if (absl::Status blocked = weir::BlockSignals(); !blocked.ok()) {
    return Complain(blocked, kFailed);
  }
  return std::visit([](auto& c) { return Execute(std::move(c)); }, *command);
}
