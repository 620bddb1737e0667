// Lines for the systemd journal: it dates them and names the program itself, and takes the severity
// from a mark at the start of each line (sd-daemon(3)).
//
// Thread contract: pure but for the environment, which nobody changes.
#pragma once

#include <string>
#include <string_view>

namespace tcpeek::engine {

// Whether what is written to `descriptor` goes to the journal: JOURNAL_STREAM, by which the service
// manager tells it, names this very socket, and not one that has been redirected since.
[[nodiscard]] bool leads_to_journal(int descriptor);

// Each line of `text` after its mark. `severity` is syslog(3)'s.
[[nodiscard]] std::string marked_for_journal(std::string_view text, int severity);

}  // namespace tcpeek::engine
