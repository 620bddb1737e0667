// The word WATCH and its arguments: WATCH [json] [filter=NAME] [result=LIST] [from=SEQ]. A name with
// a blank in it stands in double quotes: filter="front end".
//
// Thread contract: a pure function.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/watch_cursor.h"

namespace tcpeek::engine {

// What is wrong with the arguments, and what is allowed.
struct WatchMistake {
  std::string text;
};

// The names of the filters in force.
using FilterNames = std::function<std::vector<std::string>()>;

// None: `request`, a trimmed line, is another word.
[[nodiscard]] std::optional<std::variant<ipc::WatchRequest, WatchMistake>> parse_watch_request(
    std::string_view request, const FilterNames& filters);

}  // namespace tcpeek::engine
