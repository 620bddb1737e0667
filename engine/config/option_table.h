// The options of the command line and of configuration files: their names, the values they take, where
// these are stored, and which of them may change while tcpeek runs.
//
// Thread contract: constants.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/options.h"

namespace tcpeek::engine {

// An option that takes a value. `apply` stores the value and returns whether it was one of the
// `allowed`; it throws UsageError itself where it can say more precisely what is wrong. `same` compares
// what two sets of options have for it; `may_change` tells whether that may change while tcpeek runs.
struct ValueOption {
  const char* names;
  const char* allowed;
  bool repeatable;
  bool (*apply)(Options&, const std::string&);
  bool (*same)(const Options&, const Options&);
  bool may_change = false;
};

// None of these can change while tcpeek runs.
struct FlagOption {
  const char* names;
  bool Options::*flag;
};

[[nodiscard]] std::span<const ValueOption> value_options() noexcept;
[[nodiscard]] std::span<const FlagOption> flag_options() noexcept;

// "--timeout" of "-t,--timeout".
[[nodiscard]] std::string_view long_name(std::string_view names) noexcept;

// Names of the options in which `wanted` differs from `running`: of those that cannot change while tcpeek
// runs, and of those that can.
struct ChangedOptions {
  std::vector<std::string> fixed;
  std::vector<std::string> changeable;
};
[[nodiscard]] ChangedOptions changed_options(const Options& running, const Options& wanted);

}  // namespace tcpeek::engine
