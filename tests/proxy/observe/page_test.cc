#include "proxy/observe/page/page.h"

#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const PageFile* Find(std::string_view path) {
  for (const PageFile& file : PageFiles()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

// What the expression's first group finds in the file, as paths.
std::set<std::string> Referred(const PageFile& file, const char* regex) {
  const std::string text(file.body);
  std::set<std::string> found;
  const std::regex expression(regex);
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end;
       it != end; ++it) {
    found.insert("/" + (*it)[1].str());
  }
  return found;
}

TEST(PageTest, TheFirstFileIsThePage) {
  const PageFile& page = PageFiles().front();
  EXPECT_EQ(page.path, "/");
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body,
              AllOf(StartsWith("<!doctype html>"), EndsWith("</html>\n")));
}

TEST(PageTest, EachFileIsThereOnceWithItsType) {
  std::set<std::string_view> paths;
  for (const PageFile& file : PageFiles()) {
    EXPECT_TRUE(paths.insert(file.path).second) << file.path;
    EXPECT_FALSE(file.body.empty()) << file.path;
  }
  ASSERT_NE(Find("/page.js"), nullptr);
  EXPECT_EQ(Find("/page.js")->content_type, "text/javascript; charset=utf-8");
  ASSERT_NE(Find("/page.css"), nullptr);
  EXPECT_EQ(Find("/page.css")->content_type, "text/css; charset=utf-8");
}

TEST(PageTest, ItLoadsOnlyWhatIsEmbedded) {
  const std::set<std::string> loaded =
      Referred(PageFiles().front(), R"re((?:src|<link [^>]*href)="([^"]*)")re");
  EXPECT_GE(loaded.size(), 5u);
  for (const std::string& path : loaded) {
    EXPECT_NE(Find(path), nullptr) << path;
  }
  std::set<std::string> imported;
  for (const PageFile& file : PageFiles()) {
    if (file.path == "/uplot.js") continue;
    imported.merge(Referred(file, R"re(from "\./([^"]*)")re"));
  }
  EXPECT_GE(imported.size(), 5u);
  for (const std::string& path : imported) {
    EXPECT_NE(Find(path), nullptr) << path;
  }
}

TEST(PageTest, NothingNamesAnotherHost) {
  for (const PageFile& file : PageFiles()) {
    std::string text(file.body);
    // A name of a language, and where uPlot comes from: neither is loaded.
    for (const std::string_view known :
         {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}) {
      for (size_t at; (at = text.find(known)) != std::string::npos;) {
        text.erase(at, known.size());
      }
    }
    EXPECT_THAT(text, Not(HasSubstr("://"))) << file.path;
  }
}

// What the policy of the page forbids would not work, or is unsafe.
TEST(PageTest, NoInlineScriptsNorStylesNorMarkupFromData) {
  const std::string page(PageFiles().front().body);
  EXPECT_THAT(page, HasSubstr("Content-Security-Policy"));
  EXPECT_FALSE(std::regex_search(
      page, std::regex(R"re(<style|<script>|\son\w+="|\sstyle=")re")));
  for (const PageFile& file : PageFiles()) {
    if (file.path == "/uplot.js") continue;
    EXPECT_THAT(file.body, AllOf(Not(HasSubstr("innerHTML")),
                                 Not(HasSubstr("insertAdjacentHTML")),
                                 Not(HasSubstr("document.write"))))
        << file.path;
  }
}

TEST(PageTest, ThePlotsKeepTheirLicence) {
  for (const std::string_view path : {"/uplot.js", "/uplot.css"}) {
    ASSERT_NE(Find(path), nullptr);
    EXPECT_THAT(Find(path)->body,
                AllOf(HasSubstr("The MIT License"), HasSubstr("Leon Sorokin")));
  }
  EXPECT_THAT(Find("/uplot.js")->body, HasSubstr("var uPlot="));
}

}  // namespace
}  // namespace weir
