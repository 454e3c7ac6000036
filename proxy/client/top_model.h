// Public. The state of `weir top`: which connections it shows in which order,
// which one is chosen, and what a key does. Knows no terminal, no network and
// no time.

#ifndef PROXY_CLIENT_TOP_MODEL_H_
#define PROXY_CLIENT_TOP_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/client/key_reader.h"
#include "proxy/client/readings.h"

namespace weir {

// A connection, and how fast it moves.
struct TopRow {
  ConnectionReading reading;
  // Bytes a second, both ways. Nothing where it is not known: the last reading
  // did not have this connection, which is older than that.
  std::optional<double> rate;
};

// One thread.
class TopModel {
 public:
  // The column by which connections are sorted.
  enum class Sort { kRate, kBytes, kAge, kIdle, kForward, kId };
  static constexpr std::array<std::string_view, 6> kSortNames = {
      "bytes/s", "bytes", "age", "idle", "forward", "id"};

  enum class Mode {
    kList,    // keys choose
    kFilter,  // keys write the filter
    kAsk,     // really kill?
  };

  struct Action {
    enum class Kind { kNone, kQuit, kSuspend, kKill };
    Kind kind = Kind::kNone;
    uint64_t connection = 0;  // kKill
  };

  // What to do about a key. A page is `page` rows.
  Action OnKey(const Key& key, size_t page = 10);

  // A new reading, taken when the proxy was `uptime` seconds old: rates are
  // those since the last one.
  void SetConnections(const ConnectionsReading& reading, double uptime);

  // Those that the filter lets through, sorted.
  const std::vector<TopRow>& rows() const { return rows_; }
  // The place of the chosen one in rows(); nothing when there is none.
  std::optional<size_t> selected() const;
  // Of all connections, the filter aside.
  uint64_t total() const { return total_; }
  const std::vector<std::string>& silent() const { return silent_; }
  // How many came, where they are not all; nothing otherwise.
  std::optional<uint64_t> only_first() const { return only_first_; }

  Sort sort() const { return sort_; }
  Mode mode() const { return mode_; }
  const std::string& filter() const { return filter_; }
  // "pg#17", in mode kAsk.
  std::string asked() const;

 private:
  Action OnListKey(const Key& key, size_t page);
  void OnFilterKey(const Key& key);
  Action OnAnswer(const Key& key);
  void Move(int64_t rows);
  // Fills rows_ from all_.
  void Arrange();
  bool Shows(const ConnectionReading& connection) const;

  Mode mode_ = Mode::kList;
  Sort sort_ = Sort::kRate;
  std::string filter_;
  std::string filter_before_;       // what Escape brings back
  std::optional<uint64_t> chosen_;  // an id: rows change their places
  std::optional<ConnectionReading> asked_;

  // What the last reading said of a connection.
  struct Before {
    uint64_t bytes = 0;
    double age = 0;  // seconds
  };
  std::optional<double> uptime_;       // of the last reading
  std::map<uint64_t, Before> before_;  // by id
  uint64_t total_ = 0;
  std::optional<uint64_t> only_first_;
  std::vector<std::string> silent_;
  std::vector<TopRow> all_;
  std::vector<TopRow> rows_;
};

}  // namespace weir

#endif  // PROXY_CLIENT_TOP_MODEL_H_
