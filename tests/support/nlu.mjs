// Training data for a small bilingual assistant, with the labels of models/assistant/domain.yml: enough for the tests of
// training, evaluation and the model folder, and for every server test where the bundled model is not built.

const CITIES = {zh: ['北京', '上海', '广州', '深圳', '杭州', '成都', '西安', '南京'],
  en: ['Beijing', 'Shanghai', 'London', 'Paris', 'New York', 'Berlin', 'Tokyo', 'Madrid']};
const DATES = {zh: ['今天', '明天', '后天', '大后天', '周五', '下周一', '周末'],
  en: ['today', 'tomorrow', 'on Friday', 'next Monday', 'this weekend', 'the day after tomorrow']};
const TIMES = {zh: ['早上七点', '七点半', '晚上八点', '下午三点', '六点'], en: ['7 am', '8:30', '3 pm', 'noon', '6 in the morning']};
const ARTISTS = {zh: ['周杰伦', '王菲', '陈奕迅', '邓丽君'], en: ['Coldplay', 'Adele', 'Queen', 'Taylor Swift']};
const GENRES = {zh: ['爵士', '摇滚', '古典', '民谣'], en: ['jazz', 'rock', 'classical', 'folk']};
const SEATS = {zh: ['二等座', '一等座', '硬卧'], en: ['second class', 'first class', 'business class']};

// In a template {city} is an entity, {city.to} one with a role.
const TEMPLATES = {
  query_weather: ['{city}{date}天气怎么样', '{city}{date}会下雨吗', '{date}{city}冷不冷', '查一下{city}的天气', '{city}天气', '{date}要带伞吗',
    "what's the weather in {city} {date}", 'will it rain in {city} {date}', 'how cold is it in {city}', 'weather {date}', 'weather forecast for {city}'],
  book_train: ['帮我订{date}去{city.to}的火车票', '订一张{date}从{city.from}到{city.to}的高铁票', '买{city.from}到{city.to}的火车票', '我要订火车票', '帮我订火车票',
    '订{date}到{city.to}的{seat_class}火车票', 'book a train to {city.to} {date}', 'book a train ticket from {city.from} to {city.to}', 'I need a train to {city.to}',
    'get me a {seat_class} train ticket to {city.to} {date}', 'book a train', 'train from {city.from} to {city.to} {date} please'],
  set_alarm: ['{time}叫我起床', '{date}{time}叫我', '帮我设个{time}的闹钟', '定一个{date}{time}的闹钟', '帮我设个闹钟', '设闹钟',
    'wake me up at {time}', 'wake me {date} at {time}', 'set an alarm for {time}', 'set an alarm', 'alarm at {time} {date}'],
  play_music: ['放一首{artist}的歌', '我想听{genre}', '播放{artist}', '来点{genre}音乐', '放点音乐', 'play some {genre}', 'play {artist}',
    'I want to hear {genre} music by {artist}', 'put on some {genre}', 'play music'],
  inform: ['{date}', '{city}', '{time}', '那{date}呢', '{city}呢', '不对,是{city}', '从{city.from}出发', '从{city.from}', '到{city.to}', '去{city.to}', '改成{time}', '改成{date}',
    'and {date}?', 'no, {city}', 'from {city.from}', 'to {city.to}', 'what about {city}', 'make it {time}', 'how about {date}'],
};
const PLAIN = {
  greet: ['你好', '您好', '早上好', '嗨', '你好啊', 'hello', 'hi', 'hey there', 'good morning', 'hi there'],
  thank: ['谢谢', '多谢', '谢谢你', '非常感谢', 'thanks', 'thank you', 'thanks a lot', 'many thanks'],
  cancel: ['算了', '取消', '不订了', '算了,不要了', '不用了', 'never mind', 'cancel', 'forget it', 'cancel that', 'stop, never mind'],
  restart: ['重新开始', '从头再来', '重来', '重新来过', 'start over', 'restart', 'from the beginning', "let's start again"],
  repeat: ['再说一遍', '重复一下', '你说什么', '没听清', 'say that again', 'repeat that', 'what did you say', 'pardon'],
};
// What no intent covers. An example for each subject of a question.
const FOREIGN = {
  zh: [['谁发明了{}', ['火车', '电话', '飞机', '造纸术', '指南针', '互联网', '自行车']], ['{}是怎么灭绝的', ['恐龙', '猛犸象', '渡渡鸟']],
    ['给我讲讲{}', ['量子力学', '黑洞', '进化论', '罗马帝国', '相对论', '光合作用']], ['{}的作者是谁', ['红楼梦', '西游记', '战争与和平', '哈姆雷特']],
    ['人为什么会{}', ['做梦', '打喷嚏', '变老', '害怕', '打哈欠']], ['世界上最高的{}是哪座', ['山', '楼', '塔', '桥']],
    ['写一首关于{}的诗', ['秋天', '大海', '故乡', '月亮']], ['{}有几条腿', ['蜘蛛', '蜈蚣', '章鱼']]],
  en: [['who invented the {}', ['train', 'telephone', 'wheel', 'printing press', 'light bulb', 'bicycle']], ['explain {}', ['quantum physics', 'black holes', 'evolution',
    'the stock market', 'general relativity', 'photosynthesis']], ['who wrote {}', ['hamlet', 'war and peace', 'the odyssey', 'moby dick']],
    ['why is the {} {}', ['sky blue', 'sea salty', 'grass green', 'moon round']], ['how do {} work', ['vaccines', 'magnets', 'batteries', 'volcanoes']],
    ['write me a poem about {}', ['autumn', 'the sea', 'home', 'the moon']], ['is there life on {}', ['mars', 'venus', 'other planets']],
    ['how many {} are there', ['planets', 'continents', 'chess pieces', 'elements']]],
};

function foreignExamples() {
  return Object.values(FOREIGN).flat().flatMap(([question, subjects]) => subjects.map((subject) => question.replace(/\{\}( \{\})?/, subject)));
}
const VALUES = {city: CITIES, date: DATES, time: TIMES, artist: ARTISTS, genre: GENRES, seat_class: SEATS};
const EXAMPLES_PER_TEMPLATE = 12;

function annotate(slot, value) {
  const [entity, role] = slot.split('.');
  return `[${value}]${role ? JSON.stringify({entity, role}) : `(${entity})`}`;
}

const hasChinese = (text) => /[\u4e00-\u9fff]/.test(text);

// The `n`-th way to fill the template: every value is drawn by a small hash of n and the slot's place.
function expand(template, n) {
  const words = template.replace(/\{[^}]*\}/g, '');
  const locale = hasChinese(words) ? 'zh' : /[a-z]/i.test(words) ? 'en' : n % 2 ? 'zh' : 'en';
  let hash = Math.imul(n + 1, 2654435761);
  return template.replace(/\{([^}]*)\}/g, (_, slot) => {
    const values = VALUES[slot.split('.')[0]][locale];
    hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
    return annotate(slot, values[((hash ^ (hash >>> 13)) >>> 0) % values.length]);
  });
}

// Rasa NLU 3.1. Every `step`-th variant from `first` on: training and test data that differ.
export function nluYaml({first = 0, step = 1} = {}) {
  const blocks = [];
  const add = (intent, examples) => blocks.push(`- intent: ${intent}\n  examples: |\n${examples.map((e) => `    - ${e}\n`).join('')}`);
  for (const [intent, templates] of Object.entries(TEMPLATES)) {
    const examples = new Set();
    for (const template of templates) {
      for (let i = first; i < EXAMPLES_PER_TEMPLATE; i += step) examples.add(expand(template, i));
    }
    add(intent, [...examples]);
  }
  for (const [intent, examples] of Object.entries(PLAIN)) add(intent, examples);
  add('out_of_scope', foreignExamples());
  return `version: "3.1"\nnlu:\n${blocks.join('')}`;
}

export const TEST_INTENTS = [...Object.keys(TEMPLATES), ...Object.keys(PLAIN)].sort();
