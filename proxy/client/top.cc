#include "proxy/client/top.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "proxy/client/admin_client.h"
#include "proxy/client/readings.h"
#include "proxy/client/sampler.h"
#include "proxy/client/terminal.h"
#include "proxy/client/top_feed.h"
#include "proxy/client/top_model.h"
#include "proxy/client/top_screen.h"
#include "proxy/observe/escape.h"

namespace weir {
namespace {

constexpr int kFailed = 1;
constexpr Duration kWindow = std::chrono::seconds(1);
constexpr int kMessageFor = 4;  // readings, so seconds
constexpr char kFirst[] =
    "these figures are since the start; from the next on, of one second each";

int Complain(const absl::Status& status) {
  std::cerr << "weir: " << status.message() << '\n';
  return kFailed;
}

// https://no-color.org: set to anything but nothing.
bool WantsColours() {
  const char* no_color = std::getenv("NO_COLOR");
  return no_color == nullptr || no_color[0] == '\0';
}

absl::Status ReadConnections(const AdminClient& client, double uptime,
                             TopModel* model) {
  const absl::StatusOr<std::string> body = client.Get("/debug/connections");
  if (!body.ok()) return body.status();
  const absl::StatusOr<ConnectionsReading> reading = ParseConnections(*body);
  if (!reading.ok()) return reading.status();
  model->SetConnections(*reading, uptime);
  return absl::OkStatus();
}

int PrintSnapshot(const FoundWeir& weir) {
  const AdminClient client(weir.admin);
  Sampler sampler(&client);
  TopModel model;
  for (const bool last : {false, true}) {
    const absl::StatusOr<Overview> overview = sampler.Take();
    if (!overview.ok()) return Complain(Unreachable(weir, overview.status()));
    const absl::Status read = ReadConnections(client, overview->uptime, &model);
    if (!read.ok()) return Complain(read);
    if (last) {
      std::cout << TopSnapshot(*overview, model, client.address().ToString())
                << std::flush;
    } else {
      WaitFor(kWindow);
    }
  }
  return std::cout ? 0 : kFailed;
}

class Top {
 public:
  Top(Terminal* terminal, const Address& admin)
      : terminal_(terminal), address_(admin.ToString()), feed_(admin) {}

  void Run() {
    while (true) {
      const Terminal::Event event = terminal_->Wait(feed_.fd());
      if (event.end) return;
      for (const Key& key : event.keys) {
        if (!OnKey(key)) return;
      }
      if (event.other) TakeNews();
      terminal_->Draw(
          TopScreen(overview_, model_, address_, message_, terminal_->size()));
    }
  }

 private:
  // False: the end.
  bool OnKey(const Key& key) {
    const TopModel::Action action =
        model_.OnKey(key, terminal_->size().rows / 2);
    switch (action.kind) {
      case TopModel::Action::Kind::kNone:
        return true;
      case TopModel::Action::Kind::kQuit:
        return false;
      case TopModel::Action::Kind::kSuspend:
        return terminal_->Suspend();
      case TopModel::Action::Kind::kKill:
        feed_.Kill(action.connection);
        return true;
    }
    return true;
  }

  void TakeNews() {
    TopFeed::News news = feed_.Take();
    if (news.overview.has_value()) {
      if (overview_.pid == 0) message_ = kFirst;
      if (message_for_ == 0) message_.clear();
      message_for_ = std::max(message_for_ - 1, 0);
      overview_ = *std::move(news.overview);
    }
    // (Both of one sample, or of the last one that had both.)
    if (news.connections.has_value()) {
      model_.SetConnections(*news.connections, overview_.uptime);
    }
    if (news.message.has_value()) {
      message_.clear();
      message_for_ = kMessageFor;
      AppendEscaped(*news.message, &message_);
    }
  }

  Terminal* const terminal_;
  const std::string address_;
  TopModel model_;
  Overview overview_;
  std::string message_;
  int message_for_ = 1;  // how many readings it stays
  TopFeed feed_;
};

}  // namespace

int RunTop(const FoundWeir& weir) {
  if (isatty(STDOUT_FILENO) == 0) return PrintSnapshot(weir);
  // What cannot be reached is told on the ordinary screen.
  const AdminClient client(weir.admin);
  const absl::StatusOr<std::string> status = client.Get("/status");
  if (!status.ok()) return Complain(Unreachable(weir, status.status()));
  const absl::StatusOr<std::unique_ptr<Terminal>> terminal =
      Terminal::Open(WantsColours());
  if (!terminal.ok()) return Complain(terminal.status());
  Top(terminal->get(), client.address()).Run();
  return 0;
}

}  // namespace weir
