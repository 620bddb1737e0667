// The summary printed at the end. Scripts parse it: the original's lines keep their order, indent
// and spelling; ours come after them within each block, and the services that fail most in a block of their own
// at the end. Pure: a snapshot in, text out.
#pragma once

#include <span>
#include <string>

#include "ipc/snapshot.h"
#include "ipc/top.h"

namespace tcpeek::engine {

// Of the services, those are told that failed.
inline constexpr ipc::TopRequest kSummaryServices{.count = 5};

// Several lines, without the last newline; times are local.
[[nodiscard]] std::string summary(const ipc::Snapshot& snapshot,
                                  std::span<const ipc::TopServiceRow> services);

}  // namespace tcpeek::engine
