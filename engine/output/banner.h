// The first lines of a run: what is captured or read, and how much room there is. Pure: values in,
// lines out.
//
// Thread contract: pure function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tcpeek::engine {

struct LiveBanner {
  std::vector<std::string> interfaces;
  std::vector<std::string> link_types;  // of each interface
  std::string filter;                   // what the kernel lets through, in words
  std::string prefilter;                // in words; empty if it was not asked for
  std::uint32_t capture_bytes = 0;      // of each packet
  std::size_t readers = 0;
  unsigned ring_mib = 0;  // of each reader and interface
  std::uint64_t sessions_each = 0;
  std::uint64_t table_bytes_each = 0;
};

struct ReplayBanner {
  std::string files;  // their names and link types
  bool icmp = false;
  std::string bpf;  // narrows what is read; empty: no filter
  std::size_t readers = 0;
  std::uint64_t sessions_each = 0;
};

[[nodiscard]] std::vector<std::string> lines_of(const LiveBanner& banner);
[[nodiscard]] std::vector<std::string> lines_of(const ReplayBanner& banner);

}  // namespace tcpeek::engine
