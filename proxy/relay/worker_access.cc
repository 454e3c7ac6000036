// What a worker puts into the access log.

#include <string>

#include "proxy/observe/access_log/access_record.h"
#include "proxy/observe/access_log/access_sink.h"
#include "proxy/observe/close_reason.h"
#include "proxy/relay/worker.h"
#include "reactor/address.h"
#include "reactor/clock.h"

namespace weir {

void Worker::WriteAccess(AccessEvent event, const Session& session,
                         CloseReason reason) {
  const ForwardSpec& spec = *session.forward().spec;
  const Address* const address = session.connector().address();
  const std::string client = session.client_name().ToString();
  const std::string upstream = address == nullptr ? "" : address->ToString();
  options_.access->Line(
      {.event = event,
       .forward = spec.name,
       .connection = session.id(),
       .reactor = options_.gate.row,
       .client = client,
       .target = spec.target.text,
       .upstream = upstream,
       .duration = reactor().Now() - session.opened_at(),
       .connect = session.connect_time(),
       .first_byte = session.first_byte(),
       .bytes_up = session.bytes_up(),
       .bytes_down = session.bytes_down(),
       .client_retransmits = session.Retransmits(Side::kClient),
       .upstream_retransmits = session.Retransmits(Side::kUpstream),
       .reason = reason});
}

void Worker::AccessUpdates::ScheduleNext(MonoTime before) {
  worker_->reactor().Schedule(this, before + worker_->options_.access->every());
}

void Worker::AccessUpdates::OnTimer() noexcept {
  const MonoTime now = worker_->reactor().Now();
  const MonoTime opened_by = now - worker_->options_.access->every();
  worker_->walks_.Begin(
      [worker = worker_, opened_by](Session& session) {
        if (session.opened_at() > opened_by) return Visited::kLooked;
        worker->WriteAccess(AccessEvent::kUpdate, session,
                            CloseReason::kClientFin);
        return Visited::kWorked;
      },
      [this, now] { ScheduleNext(now); });
}

}  // namespace weir
