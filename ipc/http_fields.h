// The header fields of a reply by HTTP, and those of a request that may come several times. Only the HTTP server
// includes this.
//
// Thread contract: pure functions, callable from any thread.
#pragma once

#include <boost/beast/http.hpp>
#include <string>
#include <string_view>

namespace tcpeek::ipc {

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
inline constexpr std::string_view kJson = "application/json";

using HttpResponse = boost::beast::http::response<boost::beast::http::span_body<const char>>;

// A reply before it is one of HTTP.
struct HttpText {
  boost::beast::http::status status = boost::beast::http::status::ok;
  std::string_view type = kPlainText;
  std::string_view policy = {};  // Content-Security-Policy
  bool gzip = false;
};

// The fields of a reply whose body is `text`, which outlives it; `version` as in the request (10, 11).
void set_fields(HttpResponse& response, const HttpText& head, unsigned version);

// All values of one field, as a list.
[[nodiscard]] std::string joined(const boost::beast::http::fields& fields,
                                 boost::beast::http::field name);

}  // namespace tcpeek::ipc
