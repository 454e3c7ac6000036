// Public. Text in columns.

#ifndef PROXY_CLIENT_TABLE_H_
#define PROXY_CLIENT_TABLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// How many columns of a screen `text` takes, near enough: its code points.
size_t ScreenWidth(std::string_view text);
// The first `width` of them; "..." ends what was cut, where there is room.
std::string CutToWidth(const std::string& text, size_t width);

// Rows whose cells stand below each other, two spaces between. Cells are
// escaped, so that a name from elsewhere moves no cursor.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string heading;
    Align align = Align::kRight;
    size_t widest = 40;  // what is longer is cut
  };

  explicit Table(std::vector<Column> columns);

  // Missing cells are empty. CHECK: not more of them than columns.
  void Add(const std::vector<std::string>& cells);

  // The headings, then each row, without line ends or trailing spaces.
  std::vector<std::string> Lines() const;

 private:
  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weir

#endif  // PROXY_CLIENT_TABLE_H_
