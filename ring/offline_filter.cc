#include "ring/offline_filter.h"

#include <pcap/pcap.h>

#include "ring/capture_filter.h"
#include "ring/compile_expression.h"
#include "ring/savefile.h"

namespace tcpeek::ring {
namespace {

constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kNull = 0;
constexpr std::uint16_t kLoop = 108;
constexpr std::size_t kFamilyBytes = 4;

bool has_family(std::uint16_t link_type) noexcept {
  return link_type == kNull || link_type == kLoop;
}

// libpcap's number for it: raw IP has several numbers in files.
int dlt_of(std::uint16_t link_type) noexcept {
  const bool raw = link_type == 12 || link_type == 14 || link_type == 101;
  return raw || has_family(link_type) ? DLT_RAW : link_type;
}

using Handle = std::unique_ptr<pcap_t, decltype(&pcap_close)>;

}  // namespace

void OfflineFilter::Free::operator()(bpf_program* program) const noexcept {
  pcap_freecode(program);
  delete program;
}

OfflineFilter::OfflineFilter(std::uint16_t link_type, const std::string& expression)
    : skipped_(has_family(link_type) ? kFamilyBytes : 0) {
  const Handle handle(pcap_open_dead(dlt_of(link_type), SavefileReader::kMaxPacketBytes),
                      &pcap_close);
  if (!handle) throw std::bad_alloc();
  // By itself first: an expression like "1) or (2" must not pass because of our parentheses.
  const auto compiled = [&](const std::string& text) {
    std::unique_ptr<bpf_program, Free> program(new bpf_program{});
    compile_expression(handle.get(), program.get(), text);
    return program;
  };
  program_ = compiled(expression);
  if (link_type == kEthernet) program_ = compiled(behind_tags_too(expression));
}

bool OfflineFilter::matches(std::span<const std::byte> bytes,
                            std::uint32_t wire_length) const noexcept {
  if (bytes.size() < skipped_ || wire_length < skipped_) return false;
  bytes = bytes.subspan(skipped_);
  wire_length -= static_cast<std::uint32_t>(skipped_);
  return bpf_filter(program_->bf_insns, reinterpret_cast<const u_char*>(bytes.data()), wire_length,
                    static_cast<u_int>(bytes.size())) != 0;
}

}  // namespace tcpeek::ring
