#include "proxy/client/commands.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "proxy/client/admin_client.h"
#include "proxy/client/exit_watch.h"
#include "proxy/client/find_weir.h"
#include "proxy/client/overview_text.h"
#include "proxy/client/readings.h"
#include "proxy/client/sampler.h"
#include "proxy/client/top.h"
#include "proxy/lifecycle/instance_file.h"
#include "proxy/observe/escape.h"
#include "proxy/relay/session_log.h"
#include "reactor/clock.h"

namespace weir {
namespace {

constexpr int kFailed = 1;
constexpr Duration kWindow = std::chrono::seconds(1);
constexpr Duration kBetweenLooks = std::chrono::milliseconds(100);
constexpr int kOk = 200;
constexpr int kAccepted = 202;
constexpr int kNotFound = 404;
constexpr int kTimedOut = 504;

int Complain(const absl::Status& status) {
  std::cerr << "weir: " << status.message() << '\n';
  return kFailed;
}

int Print(const std::string& text) {
  std::cout << text << std::flush;
  if (std::cout) return 0;
  return Complain(absl::UnavailableError("cannot write to stdout"));
}

// What a proxy says of a request that it did not grant.
absl::Status Refusal(const AdminClient& client, const std::string& request,
                     const AdminReply& reply) {
  std::string line;
  AppendEscaped(reply.body.substr(0, reply.body.find('\n')), &line);
  return absl::FailedPreconditionError(absl::StrCat(client.address().ToString(),
                                                    ": ", request, ": ",
                                                    reply.status, " ", line));
}

absl::StatusOr<StatusReading> ReadStatus(const AdminClient& client) {
  const absl::StatusOr<std::string> body = client.Get("/status");
  if (!body.ok()) return body.status();
  return ParseStatus(*body);
}

int Status(const FoundWeir& weir, const AdminClient& client, bool json) {
  if (json) {
    const absl::StatusOr<std::string> body = client.Get("/status");
    if (!body.ok()) return Complain(Unreachable(weir, body.status()));
    const absl::StatusOr<StatusReading> status = ParseStatus(*body);
    if (!status.ok()) return Complain(status.status());
    const int printed = Print(*body);
    return status->phase == "ready" ? printed : kFailed;
  }
  Sampler sampler(&client);
  const absl::StatusOr<Overview> first = sampler.Take();
  if (!first.ok()) return Complain(Unreachable(weir, first.status()));
  WaitFor(kWindow);
  const absl::StatusOr<Overview> overview = sampler.Take();
  if (!overview.ok()) return Complain(overview.status());
  const int printed = Print(StatusText(*overview, client.address().ToString()));
  return overview->phase == "ready" ? printed : kFailed;
}

int Drain(const FoundWeir& weir, const AdminClient& client,
          const ClientCommand& command) {
  const absl::StatusOr<StatusReading> status = ReadStatus(client);
  if (!status.ok()) return Complain(Unreachable(weir, status.status()));
  // Before it may be gone.
  ExitWatch watch(&client, status->pid, RunDirectory());
  const MonoTime begin = Clock::Real().Now();
  const absl::StatusOr<AdminReply> reply = client.Request("POST", "/drain");
  if (!reply.ok()) return Complain(reply.status());
  if (reply->status != kAccepted) {
    return Complain(Refusal(client, "POST /drain", *reply));
  }
  const auto connections =
      static_cast<int64_t>(status->Sum("weir_connections_active"));
  const int printed =
      Print(absl::StrCat("draining: pid ", status->pid, ", ", connections,
                         connections == 1 ? " connection" : " connections",
                         ", up to ", TimeText(status->drain_timeout), "\n"));
  if (!command.wait || printed != 0) return printed;
  const ExitWatch::State state = watch.Wait(command.timeout);
  if (state != ExitWatch::State::kGone) {
    return Complain(absl::DeadlineExceededError(absl::StrCat(
        "pid ", status->pid,
        state == ExitWatch::State::kThere
            ? " is still there after "
            : " does not answer, whether it is gone is not known after ",
        ShortDuration(command.timeout), "; --timeout=TIME waits longer")));
  }
  return Print(absl::StrCat("gone after ",
                            ShortDuration(Clock::Real().Now() - begin), "\n"));
}

// What weir says of connection `id`; nothing when it does not list it.
// FailedPrecondition when not all connections are listed, and this one is not.
absl::StatusOr<std::optional<ConnectionReading>> FindConnection(
    const AdminClient& client, uint64_t id) {
  const absl::StatusOr<std::string> body = client.Get("/debug/connections");
  if (!body.ok()) return body.status();
  absl::StatusOr<ConnectionsReading> all = ParseConnections(*body);
  if (!all.ok()) return all.status();
  for (ConnectionReading& one : all->connections) {
    if (one.id == id) return std::move(one);
  }
  if (!all->truncated && all->silent.empty()) return std::nullopt;
  return absl::FailedPreconditionError("the list of connections is not whole");
}

// "pg#17 127.0.0.1:50212 -> 10.0.0.5:5432, open for 3.2s, up 1B, down 2B"
std::string Describe(const ConnectionReading& one) {
  std::string text;
  AppendEscaped(
      absl::StrCat(one.forward, "#", one.id, " ", one.client, " -> ",
                   one.upstream.empty() ? "(no upstream yet)" : one.upstream,
                   ", open for ", TimeText(one.age), ", up ",
                   ShortSize(one.bytes_up), ", down ",
                   ShortSize(one.bytes_down)),
      &text);
  return text;
}

// Whether the connection, which may not be known, is of the forward that the
// command names.
absl::Status CheckForward(
    const ClientCommand& command,
    const absl::StatusOr<std::optional<ConnectionReading>>& found) {
  if (command.forward.empty()) return absl::OkStatus();
  std::string message;
  if (!found.ok()) {
    if (!absl::IsFailedPrecondition(found.status())) return found.status();
    message = absl::StrCat("whether connection ", command.connection, " is of ",
                           command.forward, " is not known (",
                           found.status().message(), "); weir kill ",
                           command.connection, " closes it all the same");
  } else if (found->has_value() && (*found)->forward != command.forward) {
    message = absl::StrCat("connection ", command.connection, " is ",
                           (*found)->forward, "#", command.connection, ", not ",
                           command.forward, "#", command.connection);
  } else {
    return absl::OkStatus();
  }
  std::string line;
  AppendEscaped(message, &line);
  return absl::FailedPreconditionError(line);
}

int Kill(const FoundWeir& weir, const AdminClient& client,
         const ClientCommand& command) {
  const uint64_t id = command.connection;
  const absl::StatusOr<std::optional<ConnectionReading>> found =
      FindConnection(client, id);
  const absl::Status fits = CheckForward(command, found);
  if (!fits.ok()) return Complain(fits);
  const std::string what = found.ok() && found->has_value()
                               ? Describe(**found)
                               : absl::StrCat("connection ", id);
  const std::string path = absl::StrCat("/connections/", id, "/close");
  const absl::StatusOr<AdminReply> reply = client.Request("POST", path);
  if (!reply.ok()) return Complain(Unreachable(weir, reply.status()));
  switch (reply->status) {
    case kOk:
      return Print(absl::StrCat("closed ", what, "\n"));
    case kNotFound:
      return Complain(absl::NotFoundError(absl::StrCat(
          "no connection ", id, " is open; weir top lists those that are")));
    case kTimedOut:
      return Complain(absl::DeadlineExceededError(
          absl::StrCat("connection ", id,
                       ": a loop is stuck and did not answer; weir "
                       "status says on what")));
    default:
      return Complain(Refusal(client, "POST " + path, *reply));
  }
}

// Looks again each time: the proxy may not have said yet where it is. Until one
// has, the default address is asked: a question does no harm, and a proxy that
// can write no file is found there.
absl::Status LookWhetherReady(const ClientCommand& command, Duration left) {
  const absl::StatusOr<FoundWeir> weir =
      FindWeir(command.admin, RunDirectory());
  if (!weir.ok()) return weir.status();
  AdminClient::Options options;
  options.timeout = std::clamp(left, kBetweenLooks, options.timeout);
  const AdminClient client(weir->admin, options);
  const absl::StatusOr<std::string> body = client.Get("/ready");
  return body.ok() ? absl::OkStatus() : Unreachable(*weir, body.status());
}

int Wait(const ClientCommand& command) {
  const MonoTime end = Clock::Real().Now() + command.timeout;
  while (true) {
    const absl::Status ready =
        LookWhetherReady(command, end - Clock::Real().Now());
    if (ready.ok()) return Print("ready\n");
    const Duration left = end - Clock::Real().Now();
    if (left <= Duration::zero()) {
      return Complain(absl::DeadlineExceededError(
          absl::StrCat("not ready after ", ShortDuration(command.timeout), ": ",
                       ready.message())));
    }
    WaitFor(std::min(left, kBetweenLooks));
  }
}

}  // namespace

int RunClient(const ClientCommand& command) {
  using Verb = ClientCommand::Verb;
  if (command.verb == Verb::kWait) return Wait(command);
  const absl::StatusOr<FoundWeir> weir =
      FindWeir(command.admin, RunDirectory());
  if (!weir.ok()) return Complain(weir.status());
  if (command.verb == Verb::kDrain || command.verb == Verb::kKill) {
    const absl::Status known = CheckNotGuessed(*weir);
    if (!known.ok()) return Complain(known);
  }
  const AdminClient client(weir->admin);
  switch (command.verb) {
    case Verb::kStatus:
      return Status(*weir, client, command.json);
    case Verb::kTop:
      return RunTop(*weir);
    case Verb::kDrain:
      return Drain(*weir, client, command);
    case Verb::kKill:
      return Kill(*weir, client, command);
    case Verb::kWait:
      break;
  }
  return 0;
}

}  // namespace weir
