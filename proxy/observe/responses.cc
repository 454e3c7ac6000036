#include "proxy/observe/responses.h"

#include "metrics/registry_json.h"

namespace weir {

HttpResponse TextResponse(int status, const std::string& line) {
  HttpResponse response;
  response.status = status;
  response.body = line + "\n";
  return response;
}

HttpResponse JsonResponse(int status, const nlohmann::ordered_json& json) {
  HttpResponse response = TextResponse(status, DumpJson(json));
  response.content_type = kJsonType;
  return response;
}

}  // namespace weir
