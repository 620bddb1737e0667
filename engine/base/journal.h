// Lines for the systemd journal: it adds time and program name itself, and takes the severity from a
// prefix of each line (sd-daemon(3)). And messages with fields, by its native protocol.
//
// Thread contract: pure, except for reading the environment, which is never changed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tcpeek::engine {

// Whether `descriptor` leads to the journal: JOURNAL_STREAM, set by the service manager, names this very
// socket, so it has not been redirected since.
[[nodiscard]] bool leads_to_journal(int descriptor);

// `text` with the prefix before each line. `severity` is syslog(3)'s.
[[nodiscard]] std::string marked_for_journal(std::string_view text, int severity);

// What a message has beside its text. Names are upper-case letters and '_'.
struct JournalEntry {
  std::string_view message_id;  // 32 hexadecimal digits: which kind of message; empty: none
  std::vector<std::pair<std::string_view, std::string>> fields;
};

// Kinds of messages, as tcpeek(8) names them.
inline constexpr std::string_view kChangeMessage = "68439471fab24980b95659bb619dccc2";
inline constexpr std::string_view kLossMessage = "a823009e45db492c87a9233a4acf1fab";
inline constexpr std::string_view kSuppressedMessage = "e9c9c3ffa91a4bdd924a29b82aa21fa1";

// A message as one datagram to the journal's socket.
[[nodiscard]] std::string journal_datagram(int severity, std::string_view text,
                                           const JournalEntry& entry);

}  // namespace tcpeek::engine
