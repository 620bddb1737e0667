// The options of the command line: their names, the values they take, and where these are stored.
//
// Thread contract: constants.
#pragma once

#include <span>
#include <string>

#include "engine/config/options.h"

namespace tcpeek::engine {

// An option that takes a value. `apply` stores the value and returns whether it was one of the
// `allowed`; it throws UsageError itself where it can say more precisely what is wrong.
struct ValueOption {
  const char* names;
  const char* allowed;
  bool repeatable;
  bool (*apply)(Options&, const std::string&);
};

struct FlagOption {
  const char* names;
  bool Options::*flag;
};

[[nodiscard]] std::span<const ValueOption> value_options() noexcept;
[[nodiscard]] std::span<const FlagOption> flag_options() noexcept;

}  // namespace tcpeek::engine
