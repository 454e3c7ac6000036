// Internal to proxy/client. The terminal, taken over and given back.

#ifndef PROXY_CLIENT_TERMINAL_H_
#define PROXY_CLIENT_TERMINAL_H_

#include <termios.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/client/key_reader.h"
#include "proxy/client/top_screen.h"
#include "reactor/fd.h"

namespace weir {

// stdin and stdout as a screen of our own: the alternate one, keys unechoed and
// one by one. One object a process, one thread; made before other threads,
// which inherit that its signals are blocked.
class Terminal {
 public:
  // `colours`: whether an alarm is red. Unavailable when a setting is refused.
  static absl::StatusOr<std::unique_ptr<Terminal>> Open(bool colours);
  // Gives it back as it was.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  ScreenSize size() const;

  // Replaces what is shown: a line for each row of the screen. Nothing while
  // the terminal is not ours.
  void Draw(const std::vector<ScreenLine>& lines);

  struct Event {
    std::vector<Key> keys;
    bool other = false;   // the other descriptor is readable
    bool redraw = false;  // another size, or back from being stopped
    bool end = false;     // a signal, or the terminal is gone
  };
  // Waits for something to happen to the terminal, or to `fd`.
  Event Wait(int fd);

  // Gives the terminal back, stops the job as Ctrl-Z does, and has taken it
  // again when it returns, which is when the job goes on. False when it is
  // gone.
  bool Suspend();

 private:
  explicit Terminal(bool colours) : colours_(colours) {}

  absl::Status Enter();
  void Leave();
  void TakeSignals(Event* event);

  const bool colours_;
  UniqueFd signals_;
  std::optional<termios> before_;  // stdin's; nothing: it is none of ours
  bool entered_ = false;
  KeyReader keys_;
};

}  // namespace weir

#endif  // PROXY_CLIENT_TERMINAL_H_
