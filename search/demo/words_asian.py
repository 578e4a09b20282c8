"""The demo's vocabulary in Korean, Japanese and Chinese; synonyms separated by commas, the most common first.

Adjectives are in the form used before a noun. Places and backgrounds precede the whole phrase.
"""

from __future__ import annotations

from dataclasses import dataclass

from search.demo.scenes import Background, Colour, Place, Shape, Size


@dataclass(frozen=True, slots=True)
class AsianWords:
    """The vocabulary of one language; `numbers` has the ways to count from one to five."""

    numbers: tuple[str, str, str, str, str]
    things: str  # nouns for a shape that isn't named
    shapes: dict[Shape, str]
    colours: dict[Colour, str]
    colour_names: dict[Colour, str]  # alone
    sizes: dict[Size, str]
    places: dict[Place, str]
    backgrounds: dict[Background, str]
    bare_backgrounds: dict[Background, str]  # alone


KOREAN = AsianWords(
    numbers=("한 개, 하나, 1개", "두 개, 둘, 2개", "세 개, 셋, 3개", "네 개, 넷, 4개", "다섯 개, 다섯, 5개"),
    things="도형, 모양, 그림",
    shapes={
        "circle": "동그라미, 원, 원형",
        "square": "네모, 사각형, 정사각형",
        "triangle": "세모, 삼각형",
        "star": "별, 별 모양",
        "heart": "하트, 하트 모양, 심장",
        "ring": "고리, 반지, 링",
        "cross": "십자가, 십자, 더하기",
        "hexagon": "육각형",
        "moon": "초승달, 달, 반달",
        "arrow": "화살표",
        "flower": "꽃, 꽃 모양",
        "drop": "물방울, 방울",
        "fish": "물고기, 생선",
    },
    colours={
        "red": "빨간, 빨간색, 붉은, 빨강",
        "orange": "주황색, 오렌지색, 주황",
        "yellow": "노란, 노란색, 노랑",
        "green": "초록색, 초록, 녹색",
        "turquoise": "청록색, 청록, 옥색",
        "blue": "파란, 파란색, 푸른, 파랑",
        "purple": "보라색, 보라, 보랏빛",
        "pink": "분홍색, 분홍, 핑크색, 핑크",
        "brown": "갈색, 밤색",
        "white": "하얀, 흰, 흰색, 하얀색",
        "black": "검은, 검은색, 까만, 검정",
        "grey": "회색, 잿빛",
    },
    colour_names={
        "red": "빨간색, 빨강",
        "orange": "주황색, 주황",
        "yellow": "노란색, 노랑",
        "green": "초록색, 초록, 녹색",
        "turquoise": "청록색, 청록",
        "blue": "파란색, 파랑",
        "purple": "보라색, 보라",
        "pink": "분홍색, 분홍, 핑크",
        "brown": "갈색, 밤색",
        "white": "흰색, 하얀색",
        "black": "검은색, 검정",
        "grey": "회색",
    },
    sizes={"small": "작은, 조그만, 아주 작은", "large": "큰, 커다란, 아주 큰"},
    places={
        "left": "왼쪽에 있는, 왼쪽, 왼쪽의, 왼쪽에",
        "right": "오른쪽에 있는, 오른쪽, 오른쪽의, 오른쪽에",
        "top": "위쪽에 있는, 위쪽, 위에 있는, 위쪽에, 위에",
        "bottom": "아래쪽에 있는, 아래쪽, 아래에 있는, 아래쪽에, 아래에",
        "centre": "가운데에 있는, 가운데, 중앙에 있는, 가운데에, 중앙",
    },
    backgrounds={
        "white": "하얀 배경에, 흰 배경에, 흰색 배경의, 흰 배경 위의",
        "black": "검은 배경에, 검은색 배경의, 까만 배경에, 검은 배경 위의",
        "night": "밤하늘에, 밤하늘의, 밤하늘에 있는",
        "sand": "모래 위에, 모래밭에, 모래 위의, 해변의",
        "grass": "잔디 위에, 풀밭에, 잔디 위의, 풀밭 위의",
        "stripes": "줄무늬 배경에, 줄무늬 위에, 줄무늬 배경의",
        "dots": "점무늬 배경에, 땡땡이 배경에, 점무늬 배경의",
        "sea": "바다에, 바다 위에, 물 위의, 바다의",
    },
    bare_backgrounds={
        "white": "흰 배경, 하얀 배경, 흰색 배경",
        "black": "검은 배경, 까만 배경, 검은색 배경",
        "night": "밤하늘, 밤",
        "sand": "모래, 모래밭, 해변",
        "grass": "잔디, 풀밭, 잔디밭",
        "stripes": "줄무늬, 줄무늬 배경",
        "dots": "점무늬, 땡땡이",
        "sea": "바다, 물",
    },
)

JAPANESE = AsianWords(
    numbers=("一つ, ひとつ, 1つ", "二つ, ふたつ, 2つ", "三つ, みっつ, 3つ", "四つ, よっつ, 4つ", "五つ, いつつ, 5つ"),
    things="図形, 形, もの",
    shapes={
        "circle": "丸, 円, まる",
        "square": "四角, 四角形, 正方形",
        "triangle": "三角, 三角形",
        "star": "星, ほし, スター",
        "heart": "ハート",
        "ring": "輪, リング, 指輪",
        "cross": "十字, 十字架",
        "hexagon": "六角形",
        "moon": "三日月, 月",
        "arrow": "矢印",
        "flower": "花, はな",
        "drop": "しずく, 水滴, 雫",
        "fish": "魚, さかな",
    },
    colours={
        "red": "赤い, 赤の, 赤色の",
        "orange": "オレンジ色の, オレンジの, 橙色の",
        "yellow": "黄色い, 黄色の",
        "green": "緑の, 緑色の, みどりの",
        "turquoise": "青緑の, 青緑色の, ターコイズの",
        "blue": "青い, 青の, 青色の",
        "purple": "紫の, 紫色の, むらさきの",
        "pink": "ピンクの, ピンク色の, 桃色の",
        "brown": "茶色い, 茶色の",
        "white": "白い, 白の, 白色の",
        "black": "黒い, 黒の, 黒色の",
        "grey": "灰色の, グレーの",
    },
    colour_names={
        "red": "赤, 赤色",
        "orange": "オレンジ, オレンジ色",
        "yellow": "黄色",
        "green": "緑, 緑色",
        "turquoise": "青緑, ターコイズ",
        "blue": "青, 青色",
        "purple": "紫, 紫色",
        "pink": "ピンク, ピンク色",
        "brown": "茶色",
        "white": "白, 白色",
        "black": "黒, 黒色",
        "grey": "灰色, グレー",
    },
    sizes={"small": "小さな, 小さい", "large": "大きな, 大きい"},
    places={
        "left": "左にある, 左の, 左側の",
        "right": "右にある, 右の, 右側の",
        "top": "上にある, 上の, 上側の",
        "bottom": "下にある, 下の, 下側の",
        "centre": "中央にある, 真ん中の, 中央の",
    },
    backgrounds={
        "white": "白い背景に, 白い背景の, 白背景の",
        "black": "黒い背景に, 黒い背景の, 黒背景の",
        "night": "夜空に, 夜空の",
        "sand": "砂の上に, 砂浜の, 砂の上の",
        "grass": "草の上に, 芝生の上の, 草原の",
        "stripes": "縞模様の背景に, ストライプの背景の",
        "dots": "水玉模様の背景に, 水玉の背景の",
        "sea": "海に, 海の, 海の上の",
    },
    bare_backgrounds={
        "white": "白い背景, 白背景",
        "black": "黒い背景, 黒背景",
        "night": "夜空, 夜",
        "sand": "砂, 砂浜",
        "grass": "草, 芝生, 草原",
        "stripes": "縞模様, ストライプ",
        "dots": "水玉模様, 水玉",
        "sea": "海, 水",
    },
)

CHINESE = AsianWords(
    numbers=("一个, 1个", "两个, 2个", "三个, 3个", "四个, 4个", "五个, 5个"),
    things="图形, 形状, 东西",
    shapes={
        "circle": "圆形, 圆, 圆圈",
        "square": "正方形, 方块, 方形",
        "triangle": "三角形",
        "star": "星星, 星, 五角星",
        "heart": "爱心, 心形, 心",
        "ring": "圆环, 戒指, 环",
        "cross": "十字, 十字架, 加号",
        "hexagon": "六边形, 六角形",
        "moon": "月亮, 月牙, 弯月",
        "arrow": "箭头",
        "flower": "花, 花朵",
        "drop": "水滴",
        "fish": "鱼",
    },
    colours={
        "red": "红色的, 红色, 红",
        "orange": "橙色的, 橙色, 橘色",
        "yellow": "黄色的, 黄色, 黄",
        "green": "绿色的, 绿色, 绿",
        "turquoise": "青色的, 青色, 青绿色",
        "blue": "蓝色的, 蓝色, 蓝",
        "purple": "紫色的, 紫色, 紫",
        "pink": "粉色的, 粉色, 粉红色",
        "brown": "棕色的, 棕色, 褐色",
        "white": "白色的, 白色, 白",
        "black": "黑色的, 黑色, 黑",
        "grey": "灰色的, 灰色, 灰",
    },
    colour_names={
        "red": "红色, 红",
        "orange": "橙色, 橘色",
        "yellow": "黄色",
        "green": "绿色",
        "turquoise": "青色, 青绿色",
        "blue": "蓝色",
        "purple": "紫色",
        "pink": "粉色, 粉红色",
        "brown": "棕色, 褐色",
        "white": "白色",
        "black": "黑色",
        "grey": "灰色",
    },
    sizes={"small": "小, 小小的", "large": "大, 大大的"},
    places={
        "left": "左边的, 左侧的",
        "right": "右边的, 右侧的",
        "top": "上面的, 上方的, 上边的",
        "bottom": "下面的, 下方的, 下边的",
        "centre": "中间的, 中央的",
    },
    backgrounds={
        "white": "白色背景上的, 白底上的",
        "black": "黑色背景上的, 黑底上的",
        "night": "夜空中的, 夜空里的",
        "sand": "沙滩上的, 沙子上的",
        "grass": "草地上的",
        "stripes": "条纹背景上的",
        "dots": "圆点背景上的, 波点背景上的",
        "sea": "海上的, 水里的, 海里的",
    },
    bare_backgrounds={
        "white": "白色背景, 白底",
        "black": "黑色背景, 黑底",
        "night": "夜空, 夜晚",
        "sand": "沙滩, 沙子",
        "grass": "草地, 草",
        "stripes": "条纹, 条纹背景",
        "dots": "圆点背景, 波点",
        "sea": "大海, 海, 水",
    },
)
