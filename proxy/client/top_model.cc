#include "proxy/client/top_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace weir {
namespace {

uint64_t Bytes(const ConnectionReading& connection) {
  return connection.bytes_up + connection.bytes_down;
}

// Whether `a` stands above `b`. The largest first, names and ids the smallest.
bool Above(TopModel::Sort sort, const TopRow& a, const TopRow& b) {
  using Sort = TopModel::Sort;
  switch (sort) {
    case Sort::kRate:
      if (a.rate.value_or(0) != b.rate.value_or(0)) {
        return a.rate.value_or(0) > b.rate.value_or(0);
      }
      break;
    case Sort::kBytes:
      if (Bytes(a.reading) != Bytes(b.reading)) {
        return Bytes(a.reading) > Bytes(b.reading);
      }
      break;
    case Sort::kAge:
      if (a.reading.age != b.reading.age) return a.reading.age > b.reading.age;
      break;
    case Sort::kIdle:
      if (a.reading.idle != b.reading.idle) {
        return a.reading.idle > b.reading.idle;
      }
      break;
    case Sort::kForward:
      if (a.reading.forward != b.reading.forward) {
        return a.reading.forward < b.reading.forward;
      }
      break;
    case Sort::kId:
      break;
  }
  return a.reading.id < b.reading.id;
}

double Rate(uint64_t bytes, uint64_t before, double seconds) {
  if (bytes <= before || seconds <= 0) return 0;
  return static_cast<double>(bytes - before) / seconds;
}

std::string NameOf(const ConnectionReading& connection) {
  return absl::StrCat(connection.forward, "#", connection.id);
}

}  // namespace

TopModel::Action TopModel::OnKey(const Key& key, size_t page) {
  if (key.kind == Key::Kind::kInterrupt) return {Action::Kind::kQuit};
  if (key.kind == Key::Kind::kSuspend) return {Action::Kind::kSuspend};
  switch (mode_) {
    case Mode::kList:
      return OnListKey(key, page);
    case Mode::kFilter:
      OnFilterKey(key);
      return {};
    case Mode::kAsk:
      return OnAnswer(key);
  }
  return {};
}

TopModel::Action TopModel::OnListKey(const Key& key, size_t page) {
  const auto rows = static_cast<int64_t>(rows_.size());
  switch (key.kind) {
    case Key::Kind::kUp:
      Move(-1);
      break;
    case Key::Kind::kDown:
      Move(1);
      break;
    case Key::Kind::kPageUp:
      Move(-static_cast<int64_t>(page));
      break;
    case Key::Kind::kPageDown:
      Move(static_cast<int64_t>(page));
      break;
    case Key::Kind::kHome:
      Move(-rows);
      break;
    case Key::Kind::kEnd:
      Move(rows);
      break;
    case Key::Kind::kEscape:
      chosen_.reset();
      break;
    case Key::Kind::kText:
      if (key.text == 'q') return {Action::Kind::kQuit};
      if (key.text == 's') {
        sort_ = static_cast<Sort>((static_cast<size_t>(sort_) + 1) %
                                  kSortNames.size());
        Arrange();
      } else if (key.text == 'f' || key.text == '/') {
        filter_before_ = filter_;
        mode_ = Mode::kFilter;
      } else if (key.text == 'k' && selected().has_value()) {
        asked_ = rows_[*selected()].reading;
        mode_ = Mode::kAsk;
      }
      break;
    default:
      break;
  }
  return {};
}

void TopModel::OnFilterKey(const Key& key) {
  switch (key.kind) {
    case Key::Kind::kText:
      filter_ += key.text;
      break;
    case Key::Kind::kBackspace:
      if (!filter_.empty()) filter_.pop_back();
      break;
    case Key::Kind::kEscape:
      filter_ = filter_before_;
      mode_ = Mode::kList;
      break;
    case Key::Kind::kEnter:
      mode_ = Mode::kList;
      break;
    default:
      break;
  }
  Arrange();
}

TopModel::Action TopModel::OnAnswer(const Key& key) {
  mode_ = Mode::kList;
  const uint64_t id = asked_->id;
  asked_.reset();
  if (key.kind != Key::Kind::kText || key.text != 'y') return {};
  return {Action::Kind::kKill, id};
}

void TopModel::Move(int64_t rows) {
  if (rows_.empty()) return;
  const std::optional<size_t> before = selected();
  // The first move chooses the first row, or the last one.
  int64_t to = before.has_value() ? static_cast<int64_t>(*before) + rows
               : rows > 1         ? rows - 1
                                  : 0;
  to = std::clamp<int64_t>(to, 0, static_cast<int64_t>(rows_.size()) - 1);
  chosen_ = rows_[static_cast<size_t>(to)].reading.id;
}

void TopModel::SetConnections(const ConnectionsReading& reading,
                              double uptime) {
  // (A proxy that was started anew begins again.)
  const bool again = uptime_.has_value() && uptime >= *uptime_;
  const double seconds = again ? uptime - *uptime_ : 0;
  std::map<uint64_t, Before> now;
  all_.clear();
  for (const ConnectionReading& connection : reading.connections) {
    TopRow row{connection, {}};
    const uint64_t bytes = Bytes(connection);
    const auto found = before_.find(connection.id);
    // Its own age tells the time, as of the moment its loop was asked: loops
    // answer apart, and the clock on the wall may be set.
    if (again && found != before_.end() &&
        found->second.age <= connection.age) {
      row.rate =
          Rate(bytes, found->second.bytes, connection.age - found->second.age);
    } else if (again && connection.age <= seconds) {
      // New: it has moved all that it has since then.
      row.rate = Rate(bytes, 0, connection.age);
    }
    now[connection.id] = {bytes, connection.age};
    all_.push_back(std::move(row));
  }
  uptime_ = uptime;
  before_ = std::move(now);
  total_ = reading.total;
  only_first_.reset();
  if (reading.truncated) only_first_ = reading.connections.size();
  silent_ = reading.silent;
  Arrange();
}

void TopModel::Arrange() {
  rows_.clear();
  for (const TopRow& row : all_) {
    if (Shows(row.reading)) rows_.push_back(row);
  }
  std::sort(
      rows_.begin(), rows_.end(),
      [this](const TopRow& a, const TopRow& b) { return Above(sort_, a, b); });
}

bool TopModel::Shows(const ConnectionReading& connection) const {
  if (filter_.empty()) return true;
  const std::string all = absl::StrCat(
      NameOf(connection), " ", connection.client, " ", connection.upstream, " ",
      connection.state, " r", connection.reactor);
  return all.find(filter_) != std::string::npos;
}

std::optional<size_t> TopModel::selected() const {
  if (!chosen_.has_value()) return {};
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].reading.id == *chosen_) return i;
  }
  return {};
}

std::string TopModel::asked() const {
  return asked_.has_value() ? NameOf(*asked_) : "";
}

}  // namespace weir
