"""The demo's vocabulary in English, German, French and Spanish.

Synonyms: separated by commas, the most common first. Nouns: `singular/plural/gender`. Adjectives: the stem in German
(with ! if invariable), `masculine/feminine` in French and Spanish, a single word if invariable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from search.demo.scenes import Background, Colour, Place, Shape, Size


@dataclass(frozen=True, slots=True)
class EuropeanWords:
    """The vocabulary of one language, and the grammar that its captions need."""

    declension: Literal["none", "german", "romance"]
    colour_after_noun: bool
    size_after_noun: bool
    articles: dict[str, str]  # by gender
    single: str  # the adjective of "exactly one"
    numbers: tuple[str, str, str, str]  # two to five
    things: str  # nouns for a shape that isn't named
    shapes: dict[Shape, str]
    colours: dict[Colour, str]
    sizes: dict[Size, str]
    places: dict[Place, str]
    backgrounds: dict[Background, str]  # after "a red star"
    bare_backgrounds: dict[Background, str]  # alone


ENGLISH = EuropeanWords(
    declension="none",
    colour_after_noun=False,
    size_after_noun=False,
    articles={"n": "a"},
    single="single",
    numbers=("two", "three", "four", "five"),
    things="shape/shapes/n, thing/things/n, figure/figures/n",
    shapes={
        "circle": "circle/circles/n, disc/discs/n, dot/dots/n, ball/balls/n",
        "square": "square/squares/n, box/boxes/n",
        "triangle": "triangle/triangles/n",
        "star": "star/stars/n",
        "heart": "heart/hearts/n",
        "ring": "ring/rings/n, donut/donuts/n",
        "cross": "cross/crosses/n, plus/pluses/n, plus sign/plus signs/n",
        "hexagon": "hexagon/hexagons/n",
        "moon": "moon/moons/n, crescent/crescents/n, crescent moon/crescent moons/n",
        "arrow": "arrow/arrows/n",
        "flower": "flower/flowers/n, blossom/blossoms/n",
        "drop": "drop/drops/n, droplet/droplets/n, raindrop/raindrops/n",
        "fish": "fish/fish/n, fish/fishes/n",
    },
    colours={
        "red": "red, crimson",
        "orange": "orange",
        "yellow": "yellow, golden",
        "green": "green",
        "turquoise": "turquoise, teal, cyan",
        "blue": "blue",
        "purple": "purple, violet",
        "pink": "pink",
        "brown": "brown",
        "white": "white",
        "black": "black",
        "grey": "grey, gray",
    },
    sizes={"small": "small, little, tiny", "large": "large, big, huge"},
    places={
        "left": "on the left, at the left, on the left side",
        "right": "on the right, at the right, on the right side",
        "top": "at the top, on top, in the upper part",
        "bottom": "at the bottom, below, in the lower part",
        "centre": "in the middle, in the centre, in the center",
    },
    backgrounds={
        "white": "on a white background, on white, with a white background",
        "black": "on a black background, on black, with a black background",
        "night": "in the night sky, on a night sky, at night",
        "sand": "on sand, in the sand, on a beach",
        "grass": "on grass, on a meadow, on the lawn",
        "stripes": "on a striped background, on stripes, with stripes",
        "dots": "on a dotted background, on polka dots, with polka dots",
        "sea": "in the sea, in the water, on the sea",
    },
    bare_backgrounds={
        "white": "white background",
        "black": "black background",
        "night": "night sky, night",
        "sand": "sand, beach",
        "grass": "grass, meadow, lawn",
        "stripes": "stripes, striped background",
        "dots": "polka dots, dotted background",
        "sea": "sea, water",
    },
)

GERMAN = EuropeanWords(
    declension="german",
    colour_after_noun=False,
    size_after_noun=False,
    articles={"m": "ein", "f": "eine", "n": "ein"},
    single="einzeln",
    numbers=("zwei", "drei", "vier", "fünf"),
    things="Form/Formen/f, Figur/Figuren/f, Ding/Dinge/n",
    shapes={
        "circle": "Kreis/Kreise/m, Scheibe/Scheiben/f",
        "square": "Quadrat/Quadrate/n, Viereck/Vierecke/n",
        "triangle": "Dreieck/Dreiecke/n",
        "star": "Stern/Sterne/m",
        "heart": "Herz/Herzen/n",
        "ring": "Ring/Ringe/m",
        "cross": "Kreuz/Kreuze/n, Pluszeichen/Pluszeichen/n",
        "hexagon": "Sechseck/Sechsecke/n",
        "moon": "Mond/Monde/m, Mondsichel/Mondsicheln/f, Halbmond/Halbmonde/m",
        "arrow": "Pfeil/Pfeile/m",
        "flower": "Blume/Blumen/f, Blüte/Blüten/f",
        "drop": "Tropfen/Tropfen/m, Wassertropfen/Wassertropfen/m",
        "fish": "Fisch/Fische/m",
    },
    colours={
        "red": "rot",
        "orange": "orangefarben, orange!",
        "yellow": "gelb, golden",
        "green": "grün",
        "turquoise": "türkisfarben, türkis!",
        "blue": "blau",
        "purple": "violett, lila!",
        "pink": "rosa!, pink!, rosafarben",
        "brown": "braun",
        "white": "weiß",
        "black": "schwarz",
        "grey": "grau",
    },
    sizes={"small": "klein, winzig", "large": "groß, riesig"},
    places={
        "left": "links, auf der linken Seite",
        "right": "rechts, auf der rechten Seite",
        "top": "oben, im oberen Teil",
        "bottom": "unten, im unteren Teil",
        "centre": "in der Mitte, mittig, im Zentrum",
    },
    backgrounds={
        "white": "auf weißem Hintergrund, auf Weiß, vor weißem Hintergrund",
        "black": "auf schwarzem Hintergrund, auf Schwarz, vor schwarzem Hintergrund",
        "night": "am Nachthimmel, vor dem Nachthimmel, bei Nacht",
        "sand": "auf Sand, im Sand, am Strand",
        "grass": "auf Gras, auf einer Wiese, auf dem Rasen",
        "stripes": "auf gestreiftem Hintergrund, auf Streifen",
        "dots": "auf gepunktetem Hintergrund, auf Punkten",
        "sea": "im Meer, im Wasser, auf dem Meer",
    },
    bare_backgrounds={
        "white": "weißer Hintergrund",
        "black": "schwarzer Hintergrund",
        "night": "Nachthimmel, Nacht",
        "sand": "Sand, Strand",
        "grass": "Gras, Wiese, Rasen",
        "stripes": "Streifen, gestreifter Hintergrund",
        "dots": "Punkte, gepunkteter Hintergrund",
        "sea": "Meer, Wasser",
    },
)

FRENCH = EuropeanWords(
    declension="romance",
    colour_after_noun=True,
    size_after_noun=False,
    articles={"m": "un", "f": "une"},
    single="seul/seule",
    numbers=("deux", "trois", "quatre", "cinq"),
    things="forme/formes/f, figure/figures/f, objet/objets/m",
    shapes={
        "circle": "cercle/cercles/m, disque/disques/m, rond/ronds/m",
        "square": "carré/carrés/m",
        "triangle": "triangle/triangles/m",
        "star": "étoile/étoiles/f",
        "heart": "cœur/cœurs/m, coeur/coeurs/m",
        "ring": "anneau/anneaux/m, bague/bagues/f",
        "cross": "croix/croix/f",
        "hexagon": "hexagone/hexagones/m",
        "moon": "lune/lunes/f, croissant de lune/croissants de lune/m",
        "arrow": "flèche/flèches/f",
        "flower": "fleur/fleurs/f",
        "drop": "goutte/gouttes/f, goutte d'eau/gouttes d'eau/f",
        "fish": "poisson/poissons/m",
    },
    colours={
        "red": "rouge/rouge",
        "orange": "orange",
        "yellow": "jaune/jaune, doré/dorée",
        "green": "vert/verte",
        "turquoise": "turquoise, cyan",
        "blue": "bleu/bleue",
        "purple": "violet/violette, mauve/mauve",
        "pink": "rose/rose",
        "brown": "marron, brun/brune",
        "white": "blanc/blanche",
        "black": "noir/noire",
        "grey": "gris/grise",
    },
    sizes={"small": "petit/petite, minuscule/minuscule", "large": "grand/grande, gros/grosse"},
    places={
        "left": "à gauche, sur la gauche",
        "right": "à droite, sur la droite",
        "top": "en haut",
        "bottom": "en bas",
        "centre": "au centre, au milieu",
    },
    backgrounds={
        "white": "sur fond blanc, sur un fond blanc",
        "black": "sur fond noir, sur un fond noir",
        "night": "dans le ciel nocturne, dans le ciel de nuit, la nuit",
        "sand": "sur le sable, sur la plage",
        "grass": "sur l'herbe, dans l'herbe, sur la pelouse",
        "stripes": "sur fond rayé, sur des rayures",
        "dots": "sur fond à pois, sur des pois",
        "sea": "dans la mer, dans l'eau, sur la mer",
    },
    bare_backgrounds={
        "white": "fond blanc",
        "black": "fond noir",
        "night": "ciel nocturne, nuit",
        "sand": "sable, plage",
        "grass": "herbe, pelouse",
        "stripes": "rayures, fond rayé",
        "dots": "pois, fond à pois",
        "sea": "mer, eau",
    },
)

SPANISH = EuropeanWords(
    declension="romance",
    colour_after_noun=True,
    size_after_noun=True,
    articles={"m": "un", "f": "una"},
    single="solo/sola",
    numbers=("dos", "tres", "cuatro", "cinco"),
    things="figura/figuras/f, forma/formas/f, objeto/objetos/m",
    shapes={
        "circle": "círculo/círculos/m, disco/discos/m",
        "square": "cuadrado/cuadrados/m",
        "triangle": "triángulo/triángulos/m",
        "star": "estrella/estrellas/f",
        "heart": "corazón/corazones/m",
        "ring": "anillo/anillos/m, aro/aros/m",
        "cross": "cruz/cruces/f",
        "hexagon": "hexágono/hexágonos/m",
        "moon": "luna/lunas/f, media luna/medias lunas/f",
        "arrow": "flecha/flechas/f",
        "flower": "flor/flores/f",
        "drop": "gota/gotas/f, gota de agua/gotas de agua/f",
        "fish": "pez/peces/m, pescado/pescados/m",
    },
    colours={
        "red": "rojo/roja",
        "orange": "naranja, anaranjado/anaranjada",
        "yellow": "amarillo/amarilla, dorado/dorada",
        "green": "verde/verde",
        "turquoise": "turquesa, cian",
        "blue": "azul/azul",
        "purple": "morado/morada, violeta",
        "pink": "rosa, rosado/rosada",
        "brown": "marrón/marrón, café",
        "white": "blanco/blanca",
        "black": "negro/negra",
        "grey": "gris/gris",
    },
    sizes={"small": "pequeño/pequeña, chico/chica", "large": "grande/grande, enorme/enorme"},
    places={
        "left": "a la izquierda, en el lado izquierdo",
        "right": "a la derecha, en el lado derecho",
        "top": "arriba, en la parte superior",
        "bottom": "abajo, en la parte inferior",
        "centre": "en el centro, en medio",
    },
    backgrounds={
        "white": "sobre fondo blanco, en un fondo blanco",
        "black": "sobre fondo negro, en un fondo negro",
        "night": "en el cielo nocturno, de noche",
        "sand": "sobre arena, en la arena, en la playa",
        "grass": "sobre hierba, en el césped, en la hierba",
        "stripes": "sobre fondo de rayas, sobre rayas",
        "dots": "sobre fondo de lunares, sobre lunares",
        "sea": "en el mar, en el agua, sobre el mar",
    },
    bare_backgrounds={
        "white": "fondo blanco",
        "black": "fondo negro",
        "night": "cielo nocturno, noche",
        "sand": "arena, playa",
        "grass": "hierba, césped",
        "stripes": "rayas, fondo de rayas",
        "dots": "lunares, fondo de lunares",
        "sea": "mar, agua",
    },
)
