"""The mutants: small faults in loop and relay that the matrix catches."""

import collections

# path: the file; old: text that occurs there once; new: what takes its place;
# rows: of the matrix, of each of which at least one test fails on `poller`;
# test and filter: tests not named after a row, one of which fails as well.
Mutant = collections.namedtuple(
    "Mutant", "name path old new rows poller test filter",
    defaults=["epoll", "", ""])

MUTANTS = [
    # Ends of streams.
    Mutant("stored_error_is_forgotten", "proxy/relay/pump.cc",
           "end_ = source.error() == 0 ? End::kFin : End::kReset;",
           "end_ = End::kFin;", ["C07"]),
    Mutant("reset_does_not_wait_for_the_send_queue",
           "proxy/relay/session_ends.cc",
           "if (queue == 0) return true;",
           "if (queue < UINT32_MAX) return true;", ["C05"]),
    Mutant("abnormal_end_looks_like_fin", "proxy/relay/transport.cc",
           "if (reset && kind_ == FdKind::kTcp) {",
           "if (reset && kind_ != FdKind::kTcp) {",
           ["C04", "C06", "C09", "C11", "K08"]),
    Mutant("short_read_always_means_empty", "proxy/relay/transport.cc",
           "if (kind_ == FdKind::kTcp && !eof_ && !ended_ && !urgent_)",
           "if (true)", ["C16", "C17"]),
    Mutant("error_of_a_blocked_end_is_not_taken", "proxy/relay/transport.cc",
           "if (!ended_ || ended_checked_) return;", "return;",
           ["C05", "C08", "K12"]),
    Mutant("hang_up_is_asked_for_again", "proxy/relay/transport.cc",
           "if (ended_) interest &=", "if (false) interest &=",
           ["C03"], "poll"),
    Mutant("reads_are_armed_while_blocked", "proxy/relay/session.cc",
           "source->Arm(reactor, kHangup);\n  }",
           "source->Arm(reactor, kRead);\n  }", ["C03"], "poll"),
    # Time.
    Mutant("half_close_timer_counts_total_time", "proxy/relay/session.cc",
           "progress_at_ = reactor.Now();\n}",
           "(void)before;\n}", ["C04", "C09"]),
    # The stream itself.
    Mutant("peeked_bytes_are_consumed", "proxy/relay/pump.cc",
           "source.Read(kernel, scratch.data(), scratch.size(), "
           "/*peek=*/true);",
           "source.Read(kernel, scratch.data(), scratch.size());",
           ["C03", "C14", "C16"]),
    Mutant("budget_is_ignored", "proxy/relay/pump.cc",
           "} else if (bytes_ >= limit) {",
           "} else if (bytes_ >= 64 * limit) {", ["C16"]),
    # Connecting.
    Mutant("a_refusal_is_not_asked_for", "proxy/relay/connector.cc",
           "transport->SocketError(kernel)", "0", ["K02", "K08"]),
    Mutant("full_backlog_is_a_failure", "proxy/relay/connector.cc",
           "if (!tcp && r.error == EAGAIN) {",
           "if (tcp && r.error == EAGAIN) {", ["K05", "K09"]),
    Mutant("self_connect_is_a_success", "proxy/relay/connector.cc",
           "return Fail(site, transport, ECONNREFUSED);", "", ["K11"]),
    # Accepting.
    Mutant("no_pause_without_descriptors", "proxy/relay/acceptor.cc",
           "kLongestPause = std::chrono::milliseconds(100)",
           "kLongestPause = std::chrono::milliseconds(0)", ["A03", "Accept"]),
    Mutant("a_place_is_not_given_back", "proxy/relay/worker.cc",
           "  options_.admission->Release();\n  Remove(session);",
           "  Remove(session);", ["A01"]),
    # Loops.
    Mutant("moved_session_forgets_its_fin", "proxy/relay/session_ends.cc",
           "ended_ = state.ended;", "ended_ = false;", ["Move"]),
    Mutant("stale_events_are_delivered", "reactor/reactor.cc",
           "if (slot.handler == nullptr || slot.generation != "
           "GenerationOf(token)) {",
           "if (slot.handler == nullptr) {", [],
           test="reactor/reactor_test",
           filter="*AnEventOfAClosedDescriptor*/epoll"),
]
