// Messages for the user, through spdlog: to standard error, or to syslog.
//
// Severities are syslog's (RFC 5424), mapped through spdlog's levels, of which there are fewer. On
// standard error messages go through the same writer as the live lines, so that neither overtakes
// the other and neither blocks. Lines for the journal carry the severity and leave the program's name to
// the journal. Control and bidirectional characters in a message are escaped; newlines stay. Messages with
// fields go to the journal with these, where it reads standard error and has been opened.
//
// Thread contract: main thread only; readers count, they do not log.
#pragma once

#include <fmt/core.h>
#include <syslog.h>

#include <memory>
#include <string_view>
#include <utility>

#include "engine/base/journal.h"
#include "engine/output/journal_socket.h"
#include "engine/output/line_writer.h"

namespace spdlog {
class logger;
}

namespace tcpeek::engine {

class Log {
 public:
  // Shows messages of `level` (0 emerg .. 7 debug) and more severe ones. `program`: a literal.
  Log(LineWriter& standard_error, int level, bool to_syslog, const char* program = "tcpeek");

  // For messages with fields, if standard error leads to the journal; before system calls are filtered.
  void open_journal(std::string_view path = JournalSocket::kPath);

  template <class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) {
    write(LOG_ERR, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> text, Args&&... args) {
    write(LOG_WARNING, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  void notice(fmt::format_string<Args...> text, Args&&... args) {
    write(LOG_NOTICE, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) {
    write(LOG_INFO, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) {
    write(LOG_DEBUG, fmt::format(text, std::forward<Args>(args)...));
  }

  // From now on.
  void show(int level) noexcept { level_ = level; }

  void write(int severity, std::string_view message);
  void write(int severity, std::string_view message, const JournalEntry& entry);

 private:
  int level_;
  bool to_journal_;  // standard error leads there
  JournalSocket journal_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace tcpeek::engine
