#include "ipc/top.h"

#include <fmt/format.h>

#include "ipc/json_text.h"

namespace tcpeek::ipc {

std::string_view direction_word(bool responder_local, bool initiator_local) noexcept {
  if (responder_local) return initiator_local ? "both" : "rx";
  return initiator_local ? "tx" : "neither";
}

std::string service_name(const TopServiceRow& row) {
  const bool v6 = row.address.find(':') != std::string::npos;
  return v6 ? fmt::format("{} [{}]:{}", row.direction(), row.address, row.port)
            : fmt::format("{} {}:{}", row.direction(), row.address, row.port);
}

}  // namespace tcpeek::ipc
