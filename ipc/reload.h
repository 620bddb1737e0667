// The word RELOAD: its request taken apart, its reply written and read.
//
//   RELOAD N LF, then N bytes: the words of a command line, each ended by a zero byte
//
// The reply: {"reload":{"added":[NAME...],"removed":[...],"restarted":[...],"kept":NUMBER,
// "exclusions_added":[...],"exclusions_removed":[...],"options":["--local"...]}}, or {"error":"..."}.
//
// Thread contract: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tcpeek::ipc {

struct ReloadReport {
  std::vector<std::string> added;  // filters, by name
  std::vector<std::string> removed;
  std::vector<std::string> restarted;  // with another expression, so they count anew
  std::size_t kept = 0;
  std::vector<std::string> exclusions_added;
  std::vector<std::string> exclusions_removed;
  std::vector<std::string> options;  // that changed

  friend bool operator==(const ReloadReport&, const ReloadReport&) = default;
};

struct ReloadRequest {
  std::vector<std::string> arguments;
  std::string error;  // what is wrong with the request, if something is
};

// None if `request`, as RequestFramer::request() has it, is another word.
[[nodiscard]] std::optional<ReloadRequest> parse_reload_request(std::string_view request);

// The whole request, framing included.
[[nodiscard]] std::string reload_request(std::span<const std::string> arguments);

[[nodiscard]] std::string reload_reply(const ReloadReport& report);

struct ReloadAnswer {
  std::optional<ReloadReport> report;
  std::string error;  // if there is no report
};
[[nodiscard]] ReloadAnswer read_reload_reply(std::string_view reply);

// "2 filters added (a, b), 1 kept; changed: --local". Of many names the first are named; text from outside
// is not escaped.
[[nodiscard]] std::string in_words(const ReloadReport& report);

}  // namespace tcpeek::ipc
