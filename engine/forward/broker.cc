#include "engine/forward/broker.h"

#include <fmt/format.h>
#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>
#include <utility>

#include "engine/base/text.h"
#include "engine/forward/stream_settings.h"

namespace tcpeek::forward {
namespace {

using engine::in_quotes;

// By which JetStream recognises a message that it has.
constexpr const char* kIdHeader = "Nats-Msg-Id";
// Acknowledgements that wait to be taken; more than any window.
constexpr int kPendingAcks = 1 << 20;

template <class Made, class Make>
Made made(Make make, const std::string& what) {
  typename Made::pointer raw = nullptr;
  jsErrCode code{};
  check_nats(make(&raw, &code), what, code);
  return Made(raw);
}

// By HasMember(): clang finds comparing rapidjson's iterators ambiguous.
const rapidjson::Value* member_of(const rapidjson::Value& object, const char* name) {
  return object.HasMember(name) ? &object[name] : nullptr;
}

std::string text_of(natsMsg* message) {
  return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}

}  // namespace

// What libnats' threads touch. It outlives all of them: ~Broker() waits for their end.
struct Broker::Inbox {
  Inbox(const engine::EventFd& to_wake, std::string of_stream)
      : wake(to_wake), stream(std::move(of_stream)) {}

  const engine::EventFd& wake;
  const std::string stream;
  std::mutex mutex;
  std::vector<Ack> acks;
};

Broker::Broker(const BrokerOptions& options, std::string stream, std::string subject,
               const engine::EventFd& wake, std::function<bool()> stops)
    : stream_(std::move(stream)),
      subject_(std::move(subject)),
      inbox_(std::make_unique<Inbox>(wake, stream_)),
      stops_(std::move(stops)),
      servers_(options.servers),
      options_(make_nats_options(options)) {
  check_nats(natsOptions_SetClosedCB(options_.get(), &Broker::on_closed, inbox_.get()),
             "cannot set up libnats");
}

Broker::~Broker() {
  disconnect();
  options_.reset();
  // Its threads have the inbox until they end.
  static_cast<void>(nats_CloseAndWait(kPatience.count()));
}

// One by one, in random order: libnats would try them all, three seconds each, before it comes back.
NatsConnection Broker::connect_to_one() {
  std::ranges::shuffle(servers_, random_);
  natsStatus status = NATS_NO_SERVER;
  for (const std::string& server : servers_) {
    const char* url = server.c_str();
    check_nats(natsOptions_SetServers(options_.get(), &url, 1), "cannot set up libnats");
    natsConnection* connected = nullptr;
    status = natsConnection_Connect(&connected, options_.get());
    if (status == NATS_OK) return NatsConnection(connected);
    if (stops_()) break;
  }
  throw BrokerError(nats_error_text("cannot connect to the broker", status));
}

void Broker::connect() {
  disconnect();
  connection_ = connect_to_one();
  natsConnection* const connected = connection_.get();
  std::array<char, 64> inbox{};
  natsInbox* made_inbox = nullptr;
  check_nats(natsInbox_Create(&made_inbox), "cannot make an inbox");
  fmt::format_to_n(inbox.data(), inbox.size() - 1, "{}", made_inbox);
  natsInbox_Destroy(made_inbox);
  reply_prefix_ = fmt::format("{}.", inbox.data());
  natsSubscription* subscription = nullptr;
  const std::string replies = reply_prefix_ + "*";
  check_nats(natsConnection_Subscribe(&subscription, connected, replies.c_str(), &Broker::on_ack,
                                      inbox_.get()),
             "cannot subscribe to acknowledgements");
  acks_.reset(subscription);
  check_nats(natsSubscription_SetPendingLimits(subscription, kPendingAcks, -1),
             "cannot subscribe to acknowledgements");
  jsOptions wanted;
  check_nats(jsOptions_Init(&wanted), "cannot set up JetStream");
  wanted.Wait = kPatience.count();
  jsCtx* context = nullptr;
  check_nats(natsConnection_JetStream(&context, connected, &wanted), "cannot set up JetStream");
  jetstream_.reset(context);
}

void Broker::disconnect() noexcept {
  jetstream_.reset();
  acks_.reset();
  connection_.reset();
}

bool Broker::is_connected() const noexcept {
  return connection_ && !natsConnection_IsClosed(connection_.get());
}

std::string Broker::server() const {
  std::array<char, 256> url{};
  if (!connection_ ||
      natsConnection_GetConnectedUrl(connection_.get(), url.data(), url.size()) != NATS_OK) {
    return "the broker";
  }
  return without_login(url.data());
}

std::string Broker::last_error() const {
  const char* text = nullptr;
  if (connection_) natsConnection_GetLastError(connection_.get(), &text);
  return text != nullptr ? text : "";
}

std::optional<StreamFacts> Broker::stream() {
  jsStreamInfo* info = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_GetStreamInfo(&info, jetstream_.get(), stream_.c_str(), nullptr, &code);
  if (status == NATS_NOT_FOUND || code == JSStreamNotFoundErr) return std::nullopt;
  check_nats(status, "cannot read about the stream " + in_quotes(stream_), code);
  const StreamInfo owned(info);
  return StreamFacts{info->Created, info->State.LastSeq};
}

void Broker::create_stream() {
  jsStreamConfig config;
  check_nats(jsStreamConfig_Init(&config), "cannot set up JetStream");
  const std::string all = subject_ + ".>";
  std::array<const char*, 1> subjects{all.c_str()};
  config.Name = stream_.c_str();
  config.Description = kStreamDescription;
  config.Subjects = subjects.data();
  config.SubjectsLen = static_cast<int>(subjects.size());
  config.Retention = js_LimitsPolicy;
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardOld;
  config.MaxAge = kStreamMaxAge.count();
  config.MaxBytes = kStreamMaxBytes;
  config.Duplicates = kStreamDuplicateWindow.count();
  const auto info = made<StreamInfo>(
      [&](jsStreamInfo** raw, jsErrCode* code) {
        return js_AddStream(raw, jetstream_.get(), &config, nullptr, code);
      },
      "cannot create the stream " + in_quotes(stream_));
}

std::optional<std::int64_t> Broker::newest(const std::string& subjects) {
  natsMsg* raw = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_GetLastMsg(&raw, jetstream_.get(), stream_.c_str(), subjects.c_str(), nullptr, &code);
  if (status == NATS_NOT_FOUND || code == JSNoMessageFoundErr) return std::nullopt;
  check_nats(status, "cannot read back from the stream " + in_quotes(stream_), code);
  const NatsMessage message(raw);
  return natsMsg_GetTime(raw);
}

std::vector<StoredMessage> Broker::read_back_from(const std::string& subjects,
                                                  std::uint64_t sequence) {
  jsConsumerConfig from;
  check_nats(jsConsumerConfig_Init(&from), "cannot set up JetStream");
  from.DeliverPolicy = js_DeliverByStartSequence;
  from.OptStartSeq = sequence;
  return read_back(subjects, from);
}

std::vector<StoredMessage> Broker::read_back_since(const std::string& subjects, std::int64_t time) {
  jsConsumerConfig from;
  check_nats(jsConsumerConfig_Init(&from), "cannot set up JetStream");
  from.DeliverPolicy = js_DeliverByStartTime;
  from.OptStartTime = time;
  return read_back(subjects, from);
}

// An ordered consumer: libnats makes it anew where it left off if something is missing.
std::vector<StoredMessage> Broker::read_back(const std::string& subjects, jsConsumerConfig& from) {
  const std::string what = "cannot read back from the stream " + in_quotes(stream_);
  jsSubOptions wanted;
  check_nats(jsSubOptions_Init(&wanted), what);
  from.HeadersOnly = true;
  wanted.Stream = stream_.c_str();
  wanted.Ordered = true;
  wanted.Config = from;
  const auto subscription = made<NatsSubscription>(
      [&](natsSubscription** raw, jsErrCode* code) {
        return js_SubscribeSync(raw, jetstream_.get(), subjects.c_str(), nullptr, &wanted, code);
      },
      what);
  const auto consumer = made<ConsumerInfo>(
      [&](jsConsumerInfo** raw, jsErrCode* code) {
        return natsSubscription_GetConsumerInfo(raw, subscription.get(), nullptr, code);
      },
      what);
  // What was pending when it was made: delivered by now, or not yet.
  std::uint64_t expected = consumer->NumPending + consumer->Delivered.Consumer;
  std::vector<StoredMessage> found;
  while (expected-- > 0) {
    natsMsg* raw = nullptr;
    check_nats(natsSubscription_NextMsg(&raw, subscription.get(), kPatience.count()), what);
    const NatsMessage message(raw);
    const auto facts = made<MessageMetaData>(
        [&](jsMsgMetaData** data, jsErrCode*) { return natsMsg_GetMetaData(data, raw); }, what);
    const char* id = nullptr;
    if (natsMsgHeader_Get(raw, kIdHeader, &id) != NATS_OK) continue;
    found.push_back({facts->Sequence.Stream, id});
  }
  return found;
}

bool Broker::publish(std::uint64_t place, const Message& message) {
  const std::string reply = reply_prefix_ + fmt::to_string(place);
  natsMsg* raw = nullptr;
  check_nats(natsMsg_Create(&raw, message.subject.c_str(), reply.c_str(), message.payload.data(),
                            static_cast<int>(message.payload.size())),
             "cannot make a message");
  const NatsMessage owned(raw);
  check_nats(natsMsgHeader_Set(raw, kIdHeader, message.id.c_str()), "cannot make a message");
  const natsStatus status = natsConnection_PublishMsg(connection_.get(), raw);
  if (status == NATS_MAX_PAYLOAD) return false;
  check_nats(status, "cannot publish");
  return true;
}

void Broker::take_acks(std::vector<Ack>& acks) {
  acks.clear();
  const std::scoped_lock lock(inbox_->mutex);
  std::swap(acks, inbox_->acks);
}

void Broker::on_ack(natsConnection* /*connection*/, natsSubscription* /*subscription*/,
                    natsMsg* message, void* closure) {
  const NatsMessage owned(message);
  const std::string_view subject = natsMsg_GetSubject(message);
  const auto place = engine::parse_number(subject.substr(subject.rfind('.') + 1), 0,
                                          std::numeric_limits<std::uint64_t>::max());
  if (!place) return;
  Inbox& inbox = *static_cast<Inbox*>(closure);
  Ack ack = natsMsg_IsNoResponders(message)
                ? Ack{.place = *place, .refusal = "no stream takes this subject now"}
                : parse_ack(*place, text_of(message), inbox.stream);
  bool first = false;
  {
    const std::scoped_lock lock(inbox.mutex);
    first = inbox.acks.empty();
    inbox.acks.push_back(std::move(ack));
  }
  if (first) inbox.wake.notify();
}

void Broker::on_closed(natsConnection* /*connection*/, void* closure) {
  static_cast<Inbox*>(closure)->wake.notify();
}

Ack parse_ack(std::uint64_t place, std::string_view text, std::string_view stream) {
  Ack ack;
  ack.place = place;
  std::array<char, 1024> memory;  // NOLINT(*-member-init): enough, or rapidjson takes more
  rapidjson::MemoryPoolAllocator<> allocator(memory.data(), memory.size());
  rapidjson::Document document(&allocator);
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  ack.refusal = "the acknowledgement is not JetStream's";
  if (document.HasParseError() || !document.IsObject()) return ack;
  if (const rapidjson::Value* const error = member_of(document, "error")) {
    const rapidjson::Value* const words =
        error->IsObject() ? member_of(*error, "description") : nullptr;
    if (words != nullptr && words->IsString()) ack.refusal = words->GetString();
    const rapidjson::Value* const code =
        error->IsObject() ? member_of(*error, "err_code") : nullptr;
    ack.too_large =
        code != nullptr && code->IsInt() && code->GetInt() == JSStreamMessageExceedsMaximumErr;
    return ack;
  }
  const rapidjson::Value* const name = member_of(document, "stream");
  const rapidjson::Value* const sequence = member_of(document, "seq");
  if (name == nullptr || !name->IsString()) return ack;
  if (sequence == nullptr || !sequence->IsUint64()) return ack;
  if (name->GetString() != stream) {
    ack.refusal = fmt::format(
        "the subjects of --subject belong to the stream {}, not to {}: give --stream {}",
        in_quotes(name->GetString()), in_quotes(stream), engine::printable(name->GetString()));
    return ack;
  }
  ack.stored_at = sequence->GetUint64();
  const rapidjson::Value* const duplicate = member_of(document, "duplicate");
  ack.duplicate = duplicate != nullptr && duplicate->IsBool() && duplicate->GetBool();
  ack.refusal.clear();
  return ack;
}

}  // namespace tcpeek::forward
