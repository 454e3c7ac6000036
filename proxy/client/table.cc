#include "proxy/client/table.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "proxy/observe/escape.h"

namespace weir {
namespace {

constexpr std::string_view kCut = "...";
constexpr size_t kGap = 2;

bool Continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

size_t ScreenWidth(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return !Continues(c); }));
}

std::string CutToWidth(const std::string& text, size_t width) {
  if (ScreenWidth(text) <= width) return text;
  const bool room = width > 2 * kCut.size();
  size_t keep = room ? width - kCut.size() : width;
  size_t end = 0;
  while (end < text.size() && (keep > 0 || Continues(text[end]))) {
    if (!Continues(text[end])) --keep;
    ++end;
  }
  // (A code point that continues past the last one kept belongs to it.)
  return text.substr(0, end) + std::string(room ? kCut : "");
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  std::vector<std::string> headings;
  for (const Column& column : columns_) headings.push_back(column.heading);
  rows_.push_back(std::move(headings));
}

void Table::Add(const std::vector<std::string>& cells) {
  CHECK_LE(cells.size(), columns_.size());
  std::vector<std::string> row(columns_.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    std::string escaped;
    AppendEscaped(cells[i], &escaped);
    row[i] = CutToWidth(escaped, columns_[i].widest);
  }
  rows_.push_back(std::move(row));
}

std::vector<std::string> Table::Lines() const {
  std::vector<size_t> widths(columns_.size(), 0);
  for (const std::vector<std::string>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], ScreenWidth(row[i]));
    }
  }
  std::vector<std::string> lines;
  for (const std::vector<std::string>& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - ScreenWidth(row[i]), ' ');
      if (i > 0) line.append(kGap, ' ');
      line +=
          columns_[i].align == Align::kLeft ? row[i] + space : space + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace weir
