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
      if (a.rate != b.rate) return a.rate > b.rate;
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

void TopModel::SetConnections(const ConnectionsReading& reading) {
  const double seconds = time_ > 0 ? reading.time - time_ : 0;
  std::map<uint64_t, uint64_t> bytes;
  all_.clear();
  for (const ConnectionReading& connection : reading.connections) {
    const uint64_t now = Bytes(connection);
    const auto before = bytes_.find(connection.id);
    TopRow row{connection};
    // A connection that is new has moved all it has since the last reading, or
    // since it is there.
    const double span =
        before == bytes_.end() ? std::min(seconds, connection.age) : seconds;
    const uint64_t from = before == bytes_.end() ? 0 : before->second;
    if (span > 0 && now > from) {
      row.rate = static_cast<double>(now - from) / span;
    }
    bytes[connection.id] = now;
    all_.push_back(std::move(row));
  }
  time_ = reading.time;
  bytes_ = std::move(bytes);
  total_ = reading.total;
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
