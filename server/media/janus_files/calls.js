// Calls of Betpe-bet in Janus (duktape plugin): each browser has one peer connection that sends and receives.
// Each names whose packets it receives; what nobody receives goes nowhere. A tap sends nothing. The C plugin relays.
//
// Messages: {request: "join", call, leg, receives, codec} and {request: "tap", call, receives, codec} with an offer of
// that video codec (vp8 or h264); {request: "keyframe"}.

Duktape.modSearch = function (id) {
  var text = readFile(getModulesFolder() + '/' + id + '.js');
  if (typeof text === 'string') return text;
  throw new Error('Module not found: ' + id);
};
var sdp = require('janus-sdp');

var sessions = {}; // id -> {id, call, leg, receives, up}
var offers = []; // waiting for the scheduler

function getVersion() { return 1; }
function getVersionString() { return '1'; }
function getDescription() { return 'Calls, and taps of them'; }
function getName() { return 'Betpe-bet calls'; }
function getAuthor() { return 'Betpe-bet'; }
function getPackage() { return 'janus.plugin.betpecalls'; }
function init() {}
function destroy() {}

function createSession(id) {
  sessions[id] = { id: id, up: false };
}

function destroySession(id) {
  hangupMedia(id);
  delete sessions[id];
}

function querySession(id) {
  return JSON.stringify(sessions[id] || null);
}

function handleMessage(id, transaction, message, jsep) {
  var session = sessions[id];
  if (!session) return -1;
  var request = JSON.parse(message);
  if (!jsep) {
    if (request.request === 'keyframe') sendPli(id);
    return JSON.stringify({ calls: 'ok' });
  }
  offers.push({ id: id, transaction: transaction, request: request, jsep: JSON.parse(jsep) });
  pokeScheduler();
  return 1;
}

function handleAdminMessage(message) { return message; }

function resumeScheduler() {
  var waiting = offers;
  offers = [];
  for (var i = 0; i < waiting.length; i++) answer(waiting[i]);
}

function answer(offer) {
  var session = sessions[offer.id];
  if (!session) return;
  session.call = offer.request.call;
  session.leg = offer.request.leg || '';
  session.receives = offer.request.receives;
  session.codec = offer.request.codec;
  // 'in' for a tap as well, though it sends nothing: the plugin relays only to sessions that accept the medium.
  var directions = ['in', 'out'];
  for (var i = 0; i < directions.length; i++) {
    configureMedium(session.id, 'audio', directions[i], true);
    configureMedium(session.id, 'video', directions[i], true);
  }
  var made = sdp.generateAnswer(sdp.parse(offer.jsep.sdp), {
    audio: true, video: true, data: false, audioCodec: 'opus', videoCodec: session.codec
  });
  pushEvent(session.id, offer.transaction, JSON.stringify({ calls: 'answer' }),
    JSON.stringify({ type: 'answer', sdp: sdp.render(made) }));
}

function feeds(source, sink) {
  // One that speaks another codec than the other end gets nothing until it has offered again.
  return source.up && sink.up && source.call === sink.call && sink.receives === source.leg &&
    source.codec === sink.codec;
}

function setupMedia(id) {
  var session = sessions[id];
  if (!session) return;
  session.up = true;
  for (var key in sessions) {
    var other = sessions[key];
    if (feeds(session, other)) {
      addRecipient(id, other.id);
      sendPli(id);
    }
    if (feeds(other, session)) {
      addRecipient(other.id, id);
      sendPli(other.id);
    }
  }
}

function hangupMedia(id) {
  var session = sessions[id];
  if (!session || !session.up) return;
  for (var key in sessions) {
    var other = sessions[key];
    if (feeds(session, other)) removeRecipient(id, other.id);
    if (feeds(other, session)) removeRecipient(other.id, id);
  }
  session.up = false;
}

function dataReady(id) {}
function substreamChanged(id, substream) {}
function temporalLayerChanged(id, temporal) {}
