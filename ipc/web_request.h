// What the page asks for by HTTP: a path, and the request of the UNIX socket that it stands for. Nothing is
// offered here that the socket does not offer, and in the same words.
//
//   /                               the page
//   /api/services                   names of ports (services(5))
//   /api/stats, /api/explain        STATS, EXPLAIN
//   /api/top?n=20&by=service        TOP 20 by=service
//   /api/history?seconds=600        HISTORY 600
//   /api/watch?result=failure&from=7   WATCH json result=failure from=7, as server-sent events
//
// Values are words: letters, digits, `_`, `,`. The socket's own parsers judge what they mean.
//
// Thread contract: pure functions, callable from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tcpeek::ipc {

struct WebRequest {
  enum class Kind : std::uint8_t {
    none,     // no such path
    mistake,  // `text` tells what is wrong with what follows `?`
    page,
    services,
    reply,   // of the socket, to `text`
    events,  // the same, without end
  };

  Kind kind = Kind::none;
  std::string text;

  friend bool operator==(const WebRequest&, const WebRequest&) = default;
};

[[nodiscard]] WebRequest web_request_of(std::string_view target);

// Whether a request whose Host field is `host` is meant for this server: localhost, a loopback address, or the
// address that the client connected to. A name that anybody may point here (DNS rebinding) is not.
[[nodiscard]] bool is_own_host(std::string_view host, std::string_view connected_to) noexcept;

// Whether a reply may be given to a page of another site: Sec-Fetch-Site (Fetch Metadata) says so where a
// browser sends it.
[[nodiscard]] constexpr bool comes_from_elsewhere(std::string_view fetch_site) noexcept {
  return !fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none";
}

}  // namespace tcpeek::ipc
