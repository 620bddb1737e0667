#include "engine/output/banner.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/text.h"

namespace tcpeek::engine {

std::vector<std::string> lines_of(const LiveBanner& banner) {
  std::vector<std::string> names;
  for (const std::string& name : banner.interfaces) names.push_back(printable(name));
  std::vector<std::string> types;
  for (const std::string& type : banner.link_types) {
    if (std::ranges::find(types, type) == types.end()) types.push_back(type);
  }
  const std::uint64_t mib = banner.readers * (banner.interfaces.size() * banner.ring_mib +
                                              (banner.table_bytes_each >> 20));
  std::vector<std::string> lines{
      fmt::format("listening on {}, link-type {}, capture size {} bytes", fmt::join(names, ", "),
                  fmt::join(types, ", "), banner.capture_bytes),
      fmt::format(
          "{} reader{} with rings of {} MiB and room for {} attempts{}, {} MiB in all, kernel "
          "filter: {}",
          banner.readers, banner.readers == 1 ? "" : "s", banner.ring_mib, banner.sessions_each,
          banner.readers == 1 ? "" : " each", mib, banner.filter)};
  if (!banner.prefilter.empty()) lines.push_back(banner.prefilter);
  return lines;
}

std::vector<std::string> lines_of(const ReplayBanner& banner) {
  std::string filter = banner.icmp ? "TCP and ICMP errors" : "TCP";
  if (!banner.bpf.empty()) filter += ", where " + printable(banner.bpf);
  return {"reading from " + banner.files,
          fmt::format("{} reader{} with room for {} attempts{}, filter: {}", banner.readers,
                      banner.readers == 1 ? "" : "s", banner.sessions_each,
                      banner.readers == 1 ? "" : " each", filter)};
}

}  // namespace tcpeek::engine
