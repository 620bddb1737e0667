#include "ring/savefile.h"

#include <utility>

#include "ring/pcap_format.h"
#include "ring/pcapng_format.h"

namespace tcpeek::ring {
namespace {

std::unique_ptr<SavefileFormat> recognise(std::span<const std::byte> window) {
  if (auto pcapng = PcapngFormat::recognise(window)) return pcapng;
  if (auto pcap = PcapFormat::recognise(window)) return pcap;
  if (window.empty()) throw SavefileError("is empty");
  throw SavefileError("is no capture file: it begins like neither pcap nor pcapng");
}

}  // namespace

SavefileReader::SavefileReader(std::unique_ptr<ByteInput> input) : input_(std::move(input)) {
  window_ = input_->next(0, PcapFormat::kFileHeader);
  try {
    format_ = recognise(window_);
  } catch (const SavefileError&) {
    // What could not be read may be why it looks like nothing.
    if (input_->trouble().empty()) throw;
    throw SavefileError("is damaged at byte 0: " + input_->trouble());
  }
}

bool SavefileReader::read(std::vector<SavedPacket>& packets, std::size_t most) {
  packets.clear();
  while (!ended_) {
    const auto parsed = format_->parse(window_.subspan(used_), most, packets);
    used_ += parsed.used;
    if (parsed.damage != nullptr) end_at(used_, parsed.damage);
    if (!packets.empty() || ended_) break;
    window_offset_ += used_;
    window_ = input_->next(std::exchange(used_, 0), parsed.wanted);
    if (window_.size() >= parsed.wanted) continue;
    if (window_.empty() && input_->trouble().empty()) {
      ended_ = true;
    } else {
      end_at(0, "the file ends within a record");
    }
  }
  return !packets.empty();
}

void SavefileReader::end_at(std::size_t at, const char* what) {
  ended_ = true;
  const std::string trouble = input_->trouble();
  damage_ = {window_offset_ + at, trouble.empty() ? what : trouble};
}

}  // namespace tcpeek::ring
