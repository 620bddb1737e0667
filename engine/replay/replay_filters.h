// --bpf for capture files: one filter for each link type.
//
// All are compiled before system calls are filtered: an expression may name hosts and services, which
// libpcap looks up in files and on the network, and a pcapng may bring in another link type anywhere.
//
// Thread contract: find() on the main thread; the filters themselves are immutable.
// Errors: UsageError for an expression that libpcap rejects for that link type.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "ring/offline_filter.h"

namespace tcpeek::engine {

class ReplayFilters {
 public:
  explicit ReplayFilters(std::string expression) : expression_(std::move(expression)) {}

  // Null: everything passes. Compiles the filter if it is not compiled yet.
  [[nodiscard]] const ring::OfflineFilter* find(std::uint16_t link_type);

  // For every link type that is read. Where libpcap rejects it, find() says so.
  void compile_all();

 private:
  using Refusal = std::string;
  using Compiled = std::variant<ring::OfflineFilter, Refusal>;

  const Compiled& compiled(std::uint16_t link_type);

  const std::string expression_;  // empty: none
  std::map<std::uint16_t, Compiled> filters_;
};

}  // namespace tcpeek::engine
