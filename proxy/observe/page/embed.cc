// A program of the build: writes the C++ source that defines PageFiles().
//
//   embed OUTPUT FILE…
//
// A file is served under its name, index.html as "/".

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace {

struct ContentType {
  const char* suffix;
  const char* name;
};
constexpr std::array<ContentType, 4> kContentTypes = {{
    {".css", "text/css; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
}};

const char* ContentTypeOf(const std::string& name) {
  for (const ContentType& type : kContentTypes) {
    const std::string suffix = type.suffix;
    if (name.size() > suffix.size() &&
        name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0) {
      return type.name;
    }
  }
  return nullptr;
}

// A line of source for each line of the text. Octal escapes have three digits
// at most, so what follows them is never taken for a part of them.
std::string Literal(const std::string& text) {
  std::string literal = "    \"";
  for (const char c : text) {
    if (c == '\n') {
      literal += "\\n\"\n    \"";
    } else if (c == '"' || c == '\\' || c == '?') {  // ?: no trigraph
      literal += '\\';
      literal += c;
    } else if (c >= ' ' && c <= '~') {
      literal += c;
    } else {
      std::array<char, 5> octal{};
      std::snprintf(octal.data(), octal.size(), "\\%03o",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      literal += octal.data();
    }
  }
  return literal + "\"";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  std::string arrays;
  std::string table;
  for (size_t i = 1; i < args.size(); ++i) {
    std::ifstream in(args[i], std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)),
                           std::istreambuf_iterator<char>());
    const std::string name = args[i].substr(args[i].rfind('/') + 1);
    const char* const type = ContentTypeOf(name);
    if (!in || text.empty() || type == nullptr) {
      std::cerr << "embed: cannot take " << args[i] << "\n";
      return 1;
    }
    const std::string array = "kFile" + std::to_string(i);
    arrays += "constexpr char " + array + "[] =\n" + Literal(text) + ";\n";
    table += "    {\"/" + (name == "index.html" ? "" : name) + "\", \"" + type +
             "\", {" + array + ", sizeof " + array + " - 1}},\n";
  }
  std::ofstream out(args.at(0), std::ios::binary);
  out << "#include \"proxy/observe/page/page.h\"\n\n"
         "namespace weir {\nnamespace {\n\n"
      << arrays << "\nconstexpr PageFile kFiles[] = {\n"
      << table
      << "};\n\n}  // namespace\n\n"
         "absl::Span<const PageFile> PageFiles() { return kFiles; }\n\n"
         "}  // namespace weir\n";
  out.close();
  return out ? 0 : 1;
}
