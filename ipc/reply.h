// A reply and whom it is for, whatever server the request came by.
//
// Thread contract: the reactor's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace tcpeek::ipc {

// A reply, which can be sent to several clients without being copied.
class ReplyText {
 public:
  ReplyText() = default;       // none yet
  ReplyText(std::string text)  // implicit: a text is a reply
      : text_(std::make_shared<const std::string>(std::move(text))) {}

  [[nodiscard]] explicit operator bool() const noexcept { return text_ != nullptr; }
  [[nodiscard]] const std::string& operator*() const noexcept { return *text_; }
  // Expires once the last client has it.
  [[nodiscard]] std::weak_ptr<const std::string> weak() const noexcept { return text_; }

 private:
  std::shared_ptr<const std::string> text_;
};

// A reply without end, as who fills it sees it.
class Stream {
 public:
  Stream() = default;
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // There may be more to send.
  virtual void wake() = 0;
  // False once the client has left, or was closed.
  [[nodiscard]] virtual bool is_open() const noexcept = 0;
};

// Appends the next piece to the text, some 64 KiB; nothing if there is no more until wake().
using StreamFill = std::function<void(std::string& piece)>;

// A server's client, who has asked.
class Asker {
 public:
  Asker() = default;
  virtual ~Asker() = default;
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  // Only the first counts.
  virtual void send(ReplyText text) = 0;
  // Whether the client is still there, without a reply yet.
  [[nodiscard]] virtual bool wants_reply() const noexcept = 0;
  // Goes on as a stream; null if there are as many as may be, or this server has none.
  [[nodiscard]] virtual std::shared_ptr<Stream> become_stream(StreamFill fill) = 0;
};

// Replies to a client that has asked, at once or later; only the first call counts. Harmless when the
// client or the server is gone. If it is never called, the client is closed at its deadline.
class Reply {
 public:
  Reply() = default;  // to nobody
  explicit Reply(std::weak_ptr<Asker> client) noexcept : client_(std::move(client)) {}

  void operator()(ReplyText text) const {
    if (const auto client = client_.lock()) client->send(std::move(text));
  }
  // Makes the reply one without end. Null if there are as many streams as may be, or the client has left.
  [[nodiscard]] std::shared_ptr<Stream> stream(StreamFill fill) const {
    const auto client = client_.lock();
    return client == nullptr ? nullptr : client->become_stream(std::move(fill));
  }
  [[nodiscard]] bool wanted() const noexcept {
    const auto client = client_.lock();
    return client != nullptr && client->wants_reply();
  }

 private:
  std::weak_ptr<Asker> client_;
};

}  // namespace tcpeek::ipc
