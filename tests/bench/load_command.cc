#include "tests/bench/load_command.h"

#include <sstream>

namespace weir {
namespace {

bool ParseOne(const std::string& text, LoadCommand* command) {
  std::istringstream words(text);
  std::string name;
  uint64_t count = 0;
  int64_t milliseconds = 0;
  words >> name >> command->port >> command->connections;
  if (name == "pingpong") {
    command->mode = LoadMode::kPingPong;
    words >> command->bytes >> count >> milliseconds;
  } else if (name == "connect") {
    command->mode = LoadMode::kConnect;
    words >> count >> milliseconds;
  } else if (name == "churn") {
    command->mode = LoadMode::kChurn;
    words >> command->long_each >> command->long_most >> milliseconds;
  } else if (name == "up" || name == "down") {
    command->mode = name == "up" ? LoadMode::kUp : LoadMode::kDown;
    words >> milliseconds;
    if (!words.fail() && !(words >> count)) words.clear();  // may be left out
  } else if (name == "idle") {
    command->mode = LoadMode::kIdle;
  } else {
    return false;
  }
  if (count != 0) command->count = count;
  if (milliseconds != 0) {
    command->time = std::chrono::milliseconds(milliseconds);
  }
  return !words.fail() && command->bytes > 0 && command->bytes <= kMostBytes &&
         (command->mode != LoadMode::kChurn || command->long_each > 0);
}

}  // namespace

bool ParseLoad(const std::string& line, std::vector<LoadCommand>* commands) {
  commands->clear();
  std::istringstream parts(line);
  std::string part;
  while (std::getline(parts, part, '&')) {
    LoadCommand command;
    if (!ParseOne(part, &command)) return false;
    commands->push_back(command);
  }
  for (const LoadCommand& command : *commands) {
    if (command.mode == LoadMode::kIdle && commands->size() > 1) return false;
  }
  return !commands->empty() && commands->size() <= kMostCommands;
}

}  // namespace weir
