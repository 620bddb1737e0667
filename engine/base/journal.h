// Lines for the systemd journal: it adds time and program name itself, and takes the severity from a
// prefix of each line (sd-daemon(3)).
//
// Thread contract: pure, except for reading the environment, which is never changed.
#pragma once

#include <string>
#include <string_view>

namespace tcpeek::engine {

// Whether `descriptor` leads to the journal: JOURNAL_STREAM, set by the service manager, names this very
// socket, so it has not been redirected since.
[[nodiscard]] bool leads_to_journal(int descriptor);

// `text` with the prefix before each line. `severity` is syslog(3)'s.
[[nodiscard]] std::string marked_for_journal(std::string_view text, int severity);

}  // namespace tcpeek::engine
