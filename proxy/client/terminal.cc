#include "proxy/client/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "reactor/errno_status.h"

namespace weir {
namespace {

// The alternate screen, no cursor, lines cut at the edge; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";

constexpr int kSignals[] = {SIGINT,   SIGTERM, SIGHUP, SIGQUIT,
                            SIGWINCH, SIGTSTP, SIGCONT};

void Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;  // gone: reading says so too
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
}

absl::StatusOr<UniqueFd> BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return ErrnoStatus(errno, "signalfd");
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Terminal>> Terminal::Open(bool colours) {
  std::unique_ptr<Terminal> terminal(new Terminal(colours));
  absl::StatusOr<UniqueFd> signals = BlockSignals();
  if (!signals.ok()) return signals.status();
  terminal->signals_ = *std::move(signals);
  if (isatty(STDIN_FILENO) != 0) {
    termios settings;
    if (tcgetattr(STDIN_FILENO, &settings) != 0) {
      return ErrnoStatus(errno, "cannot read the terminal's settings");
    }
    terminal->before_ = settings;
  }
  if (absl::Status entered = terminal->Enter(); !entered.ok()) return entered;
  return terminal;
}

Terminal::~Terminal() { Leave(); }

absl::Status Terminal::Enter() {
  if (before_.has_value()) {
    termios raw = *before_;
    // Ctrl-C and Ctrl-Z come as keys.
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0) {
      return ErrnoStatus(errno, "cannot change the terminal's settings");
    }
  }
  entered_ = true;
  Write(kEnter);
  return absl::OkStatus();
}

void Terminal::Leave() {
  if (!entered_) return;
  entered_ = false;
  Write(kLeave);
  if (before_.has_value()) tcsetattr(STDIN_FILENO, TCSADRAIN, &*before_);
}

ScreenSize Terminal::size() const {
  winsize window;
  ScreenSize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 &&
      window.ws_col > 0) {
    size = {window.ws_row, window.ws_col};
  }
  return size;
}

void Terminal::Draw(const std::vector<ScreenLine>& lines) {
  if (!entered_) return;
  // One write: no half screen is seen.
  std::string text = "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i) {
    const char* style = "";
    switch (lines[i].style) {
      case ScreenLine::Style::kPlain:
        break;
      case ScreenLine::Style::kHeading:
        style = "\x1b[1m";
        break;
      case ScreenLine::Style::kSelected:
        style = "\x1b[7m";
        break;
      case ScreenLine::Style::kAlarm:
        style = colours_ ? "\x1b[31m" : "";
        break;
    }
    // (Cleared before: after a whole line the cursor is on its last character.)
    absl::StrAppend(&text, i > 0 ? "\r\n" : "", "\x1b[K", style, lines[i].text,
                    "\x1b[0m");
  }
  Write(text);
}

Terminal::Event Terminal::Wait(int fd) {
  Event event;
  pollfd fds[] = {{before_.has_value() ? STDIN_FILENO : -1, POLLIN, 0},
                  {signals_.get(), POLLIN, 0},
                  {fd, POLLIN, 0}};
  // (To be stopped and to go on may end it early: why is behind signals_.)
  while (poll(fds, 3, -1) < 0) {
    if (errno == EINTR) continue;
    event.end = true;
    return event;
  }
  event.other = fds[2].revents != 0;
  if (fds[1].revents != 0) TakeSignals(&event);
  if (fds[0].revents != 0) {
    char bytes[256];
    const ssize_t size = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (size > 0) {
      event.keys = keys_.Take({bytes, static_cast<size_t>(size)});
    } else if (size == 0 || errno != EINTR) {
      event.end = true;
    }
  }
  return event;
}

void Terminal::TakeSignals(Event* event) {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    switch (info.ssi_signo) {
      case SIGWINCH:
        event->redraw = true;
        break;
      case SIGTSTP:
        event->keys.push_back({Key::Kind::kSuspend});
        break;
      case SIGCONT:
        // Back from a SIGSTOP, after which the shell has set what it likes.
        if (!Enter().ok()) event->end = true;
        event->redraw = true;
        break;
      default:
        event->end = true;
    }
  }
}

bool Terminal::Suspend() {
  Leave();
  // What the terminal does at Ctrl-Z when nobody catches it: the whole job
  // stops, a wrapper around us too, unless no shell is there to continue it.
  // All other threads block the signal, so that it waits for this one.
  kill(0, SIGTSTP);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);  // stopped in here
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  // SIGCONT has done its work.
  sigset_t go_on;
  sigemptyset(&go_on);
  sigaddset(&go_on, SIGCONT);
  const timespec at_once = {};
  sigtimedwait(&go_on, nullptr, &at_once);
  // In the background this stops it once more, until it is in front.
  return Enter().ok();
}

}  // namespace weir
