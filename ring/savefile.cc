#include "ring/savefile.h"

#include <utility>

#include "ring/pcap_format.h"
#include "ring/pcapng_format.h"

namespace tcpeek::ring {

std::unique_ptr<SavefileFormat> SavefileFormat::recognise(std::span<const std::byte> window) {
  if (PcapngFormat::begins(window)) return std::make_unique<PcapngFormat>();
  if (auto pcap = PcapFormat::recognise(window)) return pcap;
  if (window.empty()) throw SavefileError("empty, there is no data in it");
  throw SavefileError("not a pcap or pcapng file");
}

// A pcap like the one before it has the same interface.
bool SavefileFormat::follow(SavefileFormat& before) {
  std::vector<SavedInterface>& all = before.interfaces_;
  const bool same = !all.empty() && interfaces_.size() == 1 && all.back() == interfaces_.front();
  if (!same && all.size() + interfaces_.size() > kMaxInterfaces) return false;
  own_ = same ? all.size() - 1 : all.size();
  if (!same) all.insert(all.end(), interfaces_.begin(), interfaces_.end());
  interfaces_ = std::move(all);
  damaged_times_ = before.damaged_times_;
  return true;
}

SavefileReader::SavefileReader(std::unique_ptr<ByteInput> input) : input_(std::move(input)) {
  window_ = input_->next(0, SavefileFormat::kFileHead);
  try {
    format_ = SavefileFormat::recognise(window_);
  } catch (const SavefileError&) {
    // It may be unrecognised only because it could not be read.
    if (!input_->trouble().empty()) {
      throw SavefileError("damaged at byte 0: " + input_->trouble());
    }
    if (const auto foreign = find_foreign()) throw SavefileError(*foreign, input_->compressed());
    throw;
  }
}

// In two steps, so that a signature is recognised at once even if a pipe stalls.
std::optional<ForeignFormat> SavefileReader::find_foreign() {
  if (const auto foreign = foreign_format(window_)) return foreign;
  window_ = input_->next(0, kForeignHead);
  if (const auto foreign = foreign_format(window_)) return foreign;
  return text_format(window_);
}

bool SavefileReader::read(std::vector<SavedPacket>& packets, std::size_t most) {
  packets.clear();
  while (!ended_) {
    if (std::exchange(another_part_, false)) begin_part();
    if (ended_) break;
    const auto parsed = format_->parse(window_.subspan(used_), most, packets);
    used_ += parsed.used;
    another_part_ = parsed.another_file;
    if (parsed.damage != nullptr) end_at(used_, parsed.damage);
    if (!packets.empty() || ended_) break;
    if (another_part_) continue;
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

void SavefileReader::begin_part() {
  try {
    auto next = SavefileFormat::recognise(window_.subspan(used_));
    if (!next->follow(*format_)) return end_at(used_, SavefileFormat::kTooManyInterfaces);
    format_ = std::move(next);
    ++parts_;
    part_offset_ = window_offset_ + used_;
  } catch (const SavefileError& e) {
    end_at(used_, std::string("another file begins there, ") + e.what());
  }
}

void SavefileReader::end_at(std::size_t at, const std::string& what) {
  ended_ = true;
  const std::string trouble = input_->trouble();
  damage_ = {window_offset_ + at, trouble.empty() ? what : trouble};
}

}  // namespace tcpeek::ring
