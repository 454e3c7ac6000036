// A file of forwards: what is one, and where errors point.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proxy/config/forward_spec.h"

namespace weir {
namespace {

using Strings = std::vector<std::string>;

absl::StatusOr<std::vector<ForwardSpec>> Parse(const std::string& text,
                                               const Strings& before = {}) {
  const ForwardsFile file{"f", text};
  return ParseForwards(before, &file);
}

// "PLACE NAME" of each.
Strings ListOf(const std::string& text, const Strings& before = {}) {
  const absl::StatusOr<std::vector<ForwardSpec>> forwards = Parse(text, before);
  EXPECT_TRUE(forwards.ok()) << forwards.status();
  Strings list;
  if (!forwards.ok()) return list;
  for (const ForwardSpec& forward : *forwards) {
    list.push_back(absl::StrCat(forward.place, " ", forward.name));
  }
  return list;
}

std::string ErrorOf(const std::string& text, const Strings& before = {}) {
  const absl::Status status = Parse(text, before).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ForwardsFile, HasOneForwardALine) {
  EXPECT_EQ(ListOf("a@1=db:1\nb@2=db:2\n"), (Strings{"f:1 a", "f:2 b"}));
}

TEST(ForwardsFile, HasCommentsAndBlankLines) {
  EXPECT_EQ(ListOf("# what we forward\n"
                   "\n"
                   "a@1=db:1 # a comment\n"
                   " \t \n"
                   "\t# b@2=db:2\n"
                   "  c@3=db:3\t#\n"
                   "#d@4=db:4\n"),
            (Strings{"f:3 a", "f:6 c"}));
}

// As in a shell, so that a forward reads the same there and here.
TEST(ForwardsFile, AHashWithinAWordIsAPartOfIt) {
  const absl::StatusOr<std::vector<ForwardSpec>> forwards =
      Parse("1=/run/a#b\n2=/run/%23c\n/run/#d=db:1 #e\n");
  ASSERT_TRUE(forwards.ok()) << forwards.status();
  ASSERT_EQ(forwards->size(), 3u);
  EXPECT_EQ((*forwards)[0].target.path, "/run/a#b");
  EXPECT_EQ((*forwards)[1].target.path, "/run/#c");
  EXPECT_EQ((*forwards)[2].listen.path, "/run/#d");
}

TEST(ForwardsFile, TakesWhatOtherSystemsWrite) {
  const Strings list = {"f:1 a", "f:2 b"};
  EXPECT_EQ(ListOf("a@1=db:1\r\nb@2=db:2\r\n"), list);
  EXPECT_EQ(ListOf("\xEF\xBB\xBF"
                   "a@1=db:1\nb@2=db:2\n"),
            list);
  EXPECT_EQ(ListOf("a@1=db:1\nb@2=db:2"), list);
  EXPECT_EQ(ListOf("a@1=db:1\r\nb@2=db:2\r"), list);
}

TEST(ForwardsFile, ComesBehindTheCommandLine) {
  EXPECT_EQ(ListOf("b@2=db:2", {"a@1=db:1"}), (Strings{" a", "f:1 b"}));
  EXPECT_EQ(ListOf("# none", {"a@1=db:1"}), (Strings{" a"}));
}

TEST(ForwardsFile, WithoutAForwardIsAnErrorWhenThereIsNoOther) {
  for (const char* text : {"", "\n", "# 1=db:1\n\n", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(ErrorOf(text),
              "f: there is no forward in it; a line is one, such as "
              "5432=db:5432")
        << text;
  }
}

TEST(ForwardsFile, ErrorsShowTheLineAndTheSpot) {
  EXPECT_EQ(ErrorOf("# one\n\n  1=db:1+conect:2s  # two\n"),
            "f:3: unknown key 'conect'; did you mean 'connect'?\n"
            "  1=db:1+conect:2s\n"
            "         ^");
  EXPECT_EQ(ErrorOf("1=db:1\r\n5432=db\r\n"),
            "f:2: the port is missing: db:PORT\n"
            "  5432=db\n"
            "         ^");
  EXPECT_EQ(ErrorOf("\xEF\xBB\xBF::1:80=db:1"),
            "f:1: IPv6 addresses need brackets: [::1]:80=db:1\n"
            "  ::1:80=db:1\n"
            "  ^");
}

// Whatever is wrong with it.
TEST(ForwardsFile, TheFirstLineThatIsWrongIsNamed) {
  const std::string key = "1=db:1+idel:1s\n";
  EXPECT_EQ(ErrorOf(key + "2=db:2 3=db:3\n").substr(0, 5), "f:1: ");
  EXPECT_EQ(ErrorOf("2=db:2 3=db:3\n" + key).substr(0, 5), "f:1: ");
  EXPECT_EQ(ErrorOf("2=db:2\n2=db:2\n\n" + key).substr(0, 5), "f:4: ");
}

TEST(ForwardsFile, ALineHasNoTwo) {
  EXPECT_EQ(ErrorOf("a@1=db:1\nb@2=db:2 \t c@3=db:3 # d\n"),
            "f:2: one forward a line, and then a # comment at most; in a path "
            "a space is written %20\n"
            "  b@2=db:2   c@3=db:3\n"
            "             ^");
  // The ends of lines of another century.
  EXPECT_EQ(ErrorOf("1=db:1\r2=db:2\r").substr(0, 22),
            "f:1: one forward a lin");
}

TEST(ForwardsFile, HasNoFlags) {
  EXPECT_EQ(ErrorOf("1=db:1\n--reactors=2\n"),
            "f:2: here are forwards only: a flag stands on the command line or "
            "in the file of --flagfile=FILE\n"
            "  --reactors=2\n"
            "  ^");
}

TEST(ForwardsFile, IsText) {
  EXPECT_EQ(ErrorOf(std::string("1=db:1\n2=\0db:2\n", 15)),
            "f:2: a zero byte: this is no text in UTF-8\n  2=?\n    ^");
  // In a comment too, and of a long line a part is enough.
  EXPECT_EQ(ErrorOf("# " + std::string(5000, 'x') + '\0'),
            "f:1: a zero byte: this is no text in UTF-8\n  " +
                std::string(60, 'x') + "?\n  " + std::string(60, ' ') + "^");
  // UTF-16, as some editors write it.
  EXPECT_EQ(ErrorOf(std::string("\xFF\xFE\x31\0=\0", 6)),
            "f:1: a zero byte: this is no text in UTF-8\n  ??1?\n     ^");
}

TEST(ForwardsFile, ALongLineIsNotShown) {
  EXPECT_EQ(ErrorOf(std::string(4097, 'x')),
            "f:1: a line of 4097 bytes: at most 4096 make a forward, and each "
            "has its line\n  " +
                std::string(60, 'x') + "\n  ^");
  // A comment may be as long as it likes.
  EXPECT_EQ(ListOf("a@1=db:1 # " + std::string(5000, 'x')), (Strings{"f:1 a"}));
}

TEST(ForwardsFile, ConflictsNameBothLines) {
  EXPECT_EQ(ErrorOf("a@1=db:1\n# and\na@2=db:2\n"),
            "f:3: another forward is named a (f:1: a@1=db:1): put a name of "
            "its own in front, NAME@\n"
            "  a@2=db:2\n"
            "  ^");
  EXPECT_EQ(ErrorOf("a@1=db:1\n\n\nb@any:1=db:2\n"),
            "f:4: another forward listens there already: f:1: a@1=db:1\n"
            "  b@any:1=db:2\n"
            "    ^");
}

TEST(ForwardsFile, ConflictsWithTheCommandLine) {
  EXPECT_EQ(ErrorOf("\na@2=db:2", {"a@1=db:1"}),
            "f:2: another forward is named a (a@1=db:1): put a name of its own "
            "in front, NAME@\n"
            "  a@2=db:2\n"
            "  ^");
}

TEST(ForwardsFile, CirclesAreFoundAcrossLines) {
  EXPECT_EQ(ErrorOf("\na@1=2\nb@2=1\n"),
            "f:2: these forwards lead in a circle: a -> b -> a\n"
            "  a@1=2\n"
            "      ^");
}

// Nothing that a terminal would act upon, from the file's name either.
TEST(ForwardsFile, ShowsOnlyWhatIsPrintable) {
  const ForwardsFile file{"a\x1b[2J", "1=\x1b[2J"};
  EXPECT_EQ(std::string(ParseForwards({}, &file).status().message()),
            "a?[2J:1: '?' cannot be part of a host name\n  1=?[2J\n    ^");
}

}  // namespace
}  // namespace weir
