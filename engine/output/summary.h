// The summary printed at the end. Scripts parse it: the original's lines keep their order, indent
// and spelling; ours come after them within each block. Pure: a snapshot in, text out.
#pragma once

#include <string>

#include "ipc/snapshot.h"

namespace tcpeek::engine {

// Several lines, without the last newline; times are local.
[[nodiscard]] std::string summary(const ipc::Snapshot& snapshot);

}  // namespace tcpeek::engine
