// Messages to systemd's journal by its native protocol, with fields of their own: so that
// `journalctl TCPEEK_FILTER=web` finds them, and MESSAGE_ID says of which kind one is.
//
// How it works: a datagram for each message, to the journal's socket by its path each time, so that a
// journal that was restarted goes on. The socket is opened at the start, before files are out of reach, and
// sending never blocks. What the journal does not take is written as a plain line, by the log.
//
// Thread contract: reactor thread only.
// Source: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
#pragma once

#include <sys/un.h>

#include <string>
#include <string_view>

#include "engine/base/journal.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {

class JournalSocket {
 public:
  static constexpr std::string_view kPath = "/run/systemd/journal/socket";

  JournalSocket() = default;  // not open: takes nothing
  // Not open either if the system has no socket for it.
  [[nodiscard]] static JournalSocket open(std::string_view path = kPath);

  [[nodiscard]] bool is_open() const noexcept { return socket_.get() >= 0; }

  // False: the journal does not have it. `severity` is syslog(3)'s.
  [[nodiscard]] bool send(int severity, std::string_view text, const JournalEntry& entry) const;

 private:
  ring::Descriptor socket_;
  sockaddr_un journal_{};
};

}  // namespace tcpeek::engine
