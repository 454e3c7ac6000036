// Internal to proxy/client. Fields of a JSON object from a process that may be
// of another version: what is missing, or of another type, has a default.

#ifndef PROXY_CLIENT_JSON_FIELDS_H_
#define PROXY_CLIENT_JSON_FIELDS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace weir {

using Json = nlohmann::json;

// An object; InvalidArgument for anything else.
absl::StatusOr<Json> ParseJsonObject(const std::string& text);

// The field; a null value where there is none.
const Json& Field(const Json& object, const char* name);

// 0, "", false where there is no such field.
double NumberField(const Json& object, const char* name);
uint64_t CountField(const Json& object, const char* name);
std::string TextField(const Json& object, const char* name);
bool BoolField(const Json& object, const char* name);

}  // namespace weir

#endif  // PROXY_CLIENT_JSON_FIELDS_H_
