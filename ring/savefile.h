// Capture files: pcap and pcapng, from bytes to packets, by our own reader (libpcap's refuses a pcapng
// whose interfaces differ in link type, snap length or clock).
//
// pcap: either byte order, microseconds or nanoseconds. pcapng: several sections of either byte order,
// several interfaces each with its link type and clock; enhanced, simple and the obsolete packet
// blocks are packets, all other blocks are passed over.
//
// Every length is checked before it is followed. The first one that lies ends the reading: what
// stands before is good, damage() tells where and why.
//
// Thread contract: one thread's.
// Errors: the constructor throws SavefileError when the input begins like no capture file.
// Units: times in nanoseconds since 1970; a simple packet block has no time, it gets the one before.
// Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng (2023).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "ring/byte_input.h"

namespace tcpeek::ring {

struct SavedPacket {
  std::span<const std::byte> bytes;  // as much as was captured
  std::int64_t time_ns = 0;
  std::uint32_t wire_length = 0;
  std::uint32_t interface = 0;  // index into SavefileReader::interfaces()
};

struct SavedInterface {
  std::string name;             // empty where the file does not tell
  std::uint16_t link_type = 0;  // LINKTYPE_*
  std::uint32_t number = 0;     // in its section
};

struct Damage {
  std::uint64_t offset = 0;  // of the record that makes no sense; uncompressed
  std::string what;
};

class SavefileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One of the two formats: whole records from the start of a window.
class SavefileFormat {
 public:
  struct Parsed {
    std::size_t used = 0;    // bytes of whole records
    std::size_t wanted = 0;  // the next record needs a window of so many
    const char* damage = nullptr;
  };

  virtual ~SavefileFormat() = default;

  // Appends up to `most` packets.
  virtual Parsed parse(std::span<const std::byte> window, std::size_t most,
                       std::vector<SavedPacket>& packets) = 0;

  [[nodiscard]] const std::vector<SavedInterface>& interfaces() const noexcept {
    return interfaces_;
  }

 protected:
  std::vector<SavedInterface> interfaces_;
};

class SavefileReader {
 public:
  // A captured packet is no longer than this (libpcap's bound).
  static constexpr std::size_t kMaxPacketBytes = 262'144;

  explicit SavefileReader(std::unique_ptr<ByteInput> input);

  // Replaces `packets` by the next ones, at most `most` (at least 1); their bytes are valid until the next call.
  // False: there are no more.
  [[nodiscard]] bool read(std::vector<SavedPacket>& packets, std::size_t most);

  // All that have been read about; grows while reading.
  [[nodiscard]] const std::vector<SavedInterface>& interfaces() const noexcept {
    return format_->interfaces();
  }
  [[nodiscard]] const std::optional<Damage>& damage() const noexcept { return damage_; }
  [[nodiscard]] const ByteInput& input() const noexcept { return *input_; }

 private:
  void end_at(std::size_t at, const char* what);

  std::unique_ptr<ByteInput> input_;
  std::unique_ptr<SavefileFormat> format_;
  std::span<const std::byte> window_;
  std::size_t used_ = 0;  // of the window
  std::uint64_t window_offset_ = 0;
  std::optional<Damage> damage_;
  bool ended_ = false;
};

}  // namespace tcpeek::ring
