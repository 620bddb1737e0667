#include "ipc/http_fields.h"

namespace tcpeek::ipc {

namespace http = boost::beast::http;

void set_fields(HttpResponse& response, const HttpText& head, unsigned version) {
  response.result(head.status);
  response.version(version);
  response.keep_alive(false);
  response.set(http::field::content_type, {head.type.data(), head.type.size()});
  response.set(http::field::cache_control, "no-store");
  response.set(http::field::vary, "Accept, Accept-Encoding");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  if (!head.policy.empty()) {
    response.set("Content-Security-Policy", {head.policy.data(), head.policy.size()});
    response.set("Cross-Origin-Opener-Policy", "same-origin");
    response.set("Referrer-Policy", "no-referrer");
  }
  if (head.gzip) response.set(http::field::content_encoding, "gzip");
  if (head.status == http::status::method_not_allowed) {
    response.set(http::field::allow, "GET, HEAD");
  }
}

std::string joined(const http::fields& fields, http::field name) {
  std::string list;
  for (auto [field, end] = fields.equal_range(name); field != end; ++field) {
    if (!list.empty()) list += ',';
    list.append(field->value().data(), field->value().size());
  }
  return list;
}

}  // namespace tcpeek::ipc
