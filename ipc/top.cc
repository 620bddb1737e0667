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

std::string service_identity(const TopServiceRow& row) {
  return row.counting_since ? rfc3339_utc(*row.counting_since) : "";
}

}  // namespace tcpeek::ipc
