#include "proxy/client/json_fields.h"

#include "absl/status/status.h"

namespace weir {

absl::StatusOr<Json> ParseJsonObject(const std::string& text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("the answer is not weir's JSON");
  }
  return json;
}

const Json& Field(const Json& object, const char* name) {
  static const Json& none = *new Json();
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

double NumberField(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  return field.is_number() ? field.get<double>() : 0;
}

uint64_t CountField(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  // (Parsed as unsigned when it is not negative and has no fraction.)
  return field.is_number_unsigned() ? field.get<uint64_t>() : 0;
}

std::string TextField(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  return field.is_string() ? field.get<std::string>() : "";
}

bool BoolField(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  return field.is_boolean() && field.get<bool>();
}

}  // namespace weir
