// Capture files: pcap and pcapng, from bytes to packets, by our own reader (libpcap's refuses a pcapng
// whose interfaces differ in link type, snap length or clock).
//
// pcap: either byte order, microseconds or nanoseconds. pcapng: several sections of either byte order,
// several interfaces each with its link type and clock; enhanced, simple and the obsolete packet
// blocks are packets, all other blocks are skipped.
//
// Joined files (cat a b > c) are read to the end, whatever the parts: where a record should begin,
// there is another file's header. parts() counts them.
//
// Every length is checked before it is used. The first that makes no sense ends the reading: everything
// before it is valid, damage() says where and why.
//
// Thread contract: used by one thread.
// Errors: the constructor throws SavefileError when the input does not begin like a capture file.
// Units: times in nanoseconds since 1970; a simple packet block has no time, it gets the one before. A
// stamp of a pcap whose fraction is a second or more is damage of that record alone: see damaged_times().
// Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng (2023).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ring/byte_input.h"
#include "ring/foreign_format.h"

namespace tcpeek::ring {

struct SavedPacket {
  std::span<const std::byte> bytes;  // as much as was captured
  std::int64_t time_ns = 0;
  std::uint32_t wire_length = 0;
  std::uint32_t interface = 0;  // index into SavefileReader::interfaces()
};

struct SavedInterface {
  std::string name;             // as in the file, any bytes; empty if it has none
  std::uint16_t link_type = 0;  // LINKTYPE_*
  std::uint32_t number = 0;     // in its section

  bool operator==(const SavedInterface&) const = default;
};

struct Damage {
  std::uint64_t offset = 0;  // of the record that makes no sense; uncompressed
  std::string what;
};

// Why nothing can be read, to be printed after the file's name and a colon.
class SavefileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  // `inside`: inside a compressed file.
  SavefileError(const ForeignFormat& foreign, bool inside)
      : std::runtime_error(std::string("not a pcap or pcapng file but ") + foreign.name),
        foreign_(foreign),
        inside_(inside) {}

  // What the file is instead, if known.
  [[nodiscard]] const std::optional<ForeignFormat>& foreign() const noexcept { return foreign_; }
  [[nodiscard]] bool inside() const noexcept { return inside_; }

 private:
  std::optional<ForeignFormat> foreign_;
  bool inside_ = false;
};

// One of the two formats: parses whole records from the start of a window.
class SavefileFormat {
 public:
  struct Parsed {
    std::size_t used = 0;    // bytes of whole records
    std::size_t wanted = 0;  // window size that the next record needs
    const char* damage = nullptr;
    bool another_file = false;  // begins after those; the window holds kFileHead bytes of it
  };

  static constexpr std::size_t kFileHead = 24;  // enough to recognise a file by
  static constexpr std::size_t kMaxInterfaces = 65'536;
  static constexpr const char* kTooManyInterfaces = "more than 65536 interfaces";

  // The format of a file that begins with `window`. Throws SavefileError.
  [[nodiscard]] static std::unique_ptr<SavefileFormat> recognise(std::span<const std::byte> window);

  virtual ~SavefileFormat() = default;

  // Appends up to `most` packets.
  virtual Parsed parse(std::span<const std::byte> window, std::size_t most,
                       std::vector<SavedPacket>& packets) = 0;

  [[nodiscard]] const std::vector<SavedInterface>& interfaces() const noexcept {
    return interfaces_;
  }
  [[nodiscard]] std::uint64_t damaged_times() const noexcept { return damaged_times_; }
  // Takes over the interfaces of the file that this one is joined to; its own are numbered behind them.
  // False, and nothing taken: there are too many.
  [[nodiscard]] bool follow(SavefileFormat& before);

 protected:
  std::vector<SavedInterface> interfaces_;
  std::size_t own_ = 0;              // where those of this file begin
  std::uint64_t damaged_times_ = 0;  // with those of the files before
};

class SavefileReader {
 public:
  // The longest captured packet (libpcap's bound).
  static constexpr std::size_t kMaxPacketBytes = 262'144;

  explicit SavefileReader(std::unique_ptr<ByteInput> input);

  // Replaces `packets` by the next ones, at most `most` (at least 1), all from one part; their bytes are
  // valid until the next call. False: there are no more.
  [[nodiscard]] bool read(std::vector<SavedPacket>& packets, std::size_t most);

  // The interfaces described so far; grows while reading.
  [[nodiscard]] const std::vector<SavedInterface>& interfaces() const noexcept {
    return format_->interfaces();
  }
  // How many of the joined files have begun, the first included; and where the last of them begins.
  [[nodiscard]] std::uint64_t parts() const noexcept { return parts_; }
  [[nodiscard]] std::uint64_t part_offset() const noexcept { return part_offset_; }
  [[nodiscard]] const std::optional<Damage>& damage() const noexcept { return damage_; }
  // Packets read whose stamp is impossible. They keep the second it tells, and are in order within it.
  [[nodiscard]] std::uint64_t damaged_times() const noexcept { return format_->damaged_times(); }
  [[nodiscard]] const ByteInput& input() const noexcept { return *input_; }

 private:
  [[nodiscard]] std::optional<ForeignFormat> find_foreign();
  void begin_part();
  void end_at(std::size_t at, const std::string& what);

  std::unique_ptr<ByteInput> input_;
  std::unique_ptr<SavefileFormat> format_;
  std::span<const std::byte> window_;
  std::size_t used_ = 0;  // of the window
  std::uint64_t window_offset_ = 0;
  std::uint64_t parts_ = 1;
  std::uint64_t part_offset_ = 0;
  bool another_part_ = false;  // begins at used_
  std::optional<Damage> damage_;
  bool ended_ = false;
};

}  // namespace tcpeek::ring
