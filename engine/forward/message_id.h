// Names of what is published: subjects and message ids. An id tells which event it is, so the ids in the
// stream tell what has been forwarded.
//
//   <host>-<boot>-<seq>                              an event with a number
//   <host>-<boot>-<from>..<to>                       a gap: these events were not told
//   <host>-<boot>-<from>..<to>.<n>.<service>         one of the n aggregates of these events, by service, which is
//                                                    <direction>.<address>:<port>
//
// <host> is a token of a subject: dots, blanks, wildcards and what is not printable ASCII become '_'.
//
// Thread contract: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tcpeek::forward {

// Never empty, 128 bytes at most.
[[nodiscard]] std::string subject_token(std::string_view text);

// What an id says behind the host.
struct MessageId {
  std::string boot;
  std::uint64_t from = 0;
  std::uint64_t to = 0;     // an event's: the same
  std::uint64_t parts = 0;  // of the batch that an aggregate belongs to; 0: it is none
  std::string service;      // of an aggregate
  bool range = false;       // a gap or an aggregate

  friend bool operator==(const MessageId&, const MessageId&) = default;
};

[[nodiscard]] std::string to_text(std::string_view host, const MessageId& id);
// None: it is no id of this host.
[[nodiscard]] std::optional<MessageId> parse_message_id(std::string_view host,
                                                        std::string_view text);

}  // namespace tcpeek::forward
