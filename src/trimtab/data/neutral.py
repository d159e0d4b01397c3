"""Prompts and texts that no behavior is about, on which it is measured what a push does to a model at all."""

NEUTRAL_PROMPTS = (
    "What is the capital of Portugal?",
    "How many minutes are there in a day?",
    "Name three things that float on water.",
    "Explain in a sentence what a library is.",
    "Translate \"The train leaves at noon\" into Spanish.",
    "What does the word \"fragile\" mean?",
    "List the months that have thirty days.",
    "Write a sentence about a wooden table.",
    "How do I find the area of a rectangle?",
    "Which is heavier, a litre of water or a litre of oil?",
    "Put these in alphabetical order: pear, apple, plum, fig.",
    "What is a keyboard used for?",
)  # fmt: skip

NEUTRAL_TEXTS = (
    "Paper is made from plant fibres, most often from wood. The wood is chipped and cooked until the fibres come "
    "apart, then mixed with a large amount of water. This thin pulp is spread over a moving wire mesh, where most of "
    "the water drains away, and the damp sheet is pressed and dried between heated rollers.",
    "The level of the sea rises and falls about twice a day along most coasts. The main cause is the gravity of the "
    "Moon, which pulls slightly harder on the near side of the Earth than on the far side. The Sun has a similar but "
    "weaker effect, so tides are largest near new and full moon.",
    "A tree in a temperate climate adds one layer of wood under its bark each year. Cells formed in spring are wide "
    "and pale, while those formed in late summer are narrow and dark, so each year can be seen as a ring. Counting "
    "the rings near the base of a trunk gives the age of the tree.",
    "A canal lock lets boats move between stretches of water at different levels. A boat enters a chamber with gates "
    "at both ends, and the gates behind it are closed. Water is then let in from above, or out below, until the level "
    "matches that of the next stretch, and the gates ahead are opened.",
    "Most bricks are made of clay mixed with a little sand and water. The soft mixture is pressed into moulds, or "
    "pushed through an opening and cut to size, and left to dry for several days. The dry bricks pass through a kiln "
    "at about a thousand degrees Celsius, which makes them hard and resistant to weather.",
    "The scale of a map tells how distances on paper relate to distances on the ground. On a map at one to fifty "
    "thousand, one centimetre stands for five hundred metres. Maps of a town use larger scales and can show single "
    "buildings, while maps of a whole continent leave out all but the main features.",
    "Rice is grown in many parts of the world, mostly in warm regions with plenty of water. Seedlings are often raised "
    "in a small bed and moved to flooded fields after a few weeks. The fields are drained before the harvest, and the "
    "grains are then cut, dried, threshed and separated from their husks.",
    "The gears of a bicycle change how far it travels with each turn of the pedals. A chain connects a toothed ring at "
    "the pedals with a smaller sprocket on the rear wheel. With a large ring and a small sprocket the wheel turns "
    "several times for each turn of the pedals, which suits level roads.",
    "Many caves form in limestone. Rain takes up carbon dioxide from the air and the soil and becomes a weak acid, "
    "which slowly dissolves the rock along cracks. Over thousands of years the cracks widen into passages. Water that "
    "drips from the ceiling leaves small amounts of mineral behind, and these build up into stalactites.",
    "Before the fifteenth century, most books in Europe were copied by hand. Printing with movable metal type changed "
    "this. Letters were cast separately, arranged into lines and pages, covered with ink and pressed onto paper. "
    "Afterwards the letters could be taken apart and used again, so that the same set served for many different books.",
    "Salt for cooking comes from two main sources. In warm, dry regions sea water is led into shallow ponds, where sun "
    "and wind evaporate it until crystals remain. Elsewhere salt is mined from layers underground that were left "
    "behind by ancient seas. Both kinds consist almost entirely of the same compound, sodium chloride.",
    "White storks that breed in Europe mostly spend the winter in Africa. They travel mainly by gliding, which takes "
    "far less effort than flapping, and therefore depend on rising warm air. Because such air forms over land and "
    "rarely over water, most of them fly around the Mediterranean, either through Spain or through Turkey.",
    "Woven cloth consists of two sets of threads that cross at right angles. The lengthwise threads, called the warp, "
    "are stretched on a loom, and the crosswise thread, called the weft, is passed over and under them. The order of "
    "the crossings decides the fabric: plain weave is firm and flat, while satin has a smooth surface.",
    "A pendulum clock keeps time with a weight that swings from a rod. The time of one swing depends mainly on the "
    "length of the rod and hardly at all on the width of the swing. At each swing a toothed wheel advances by one "
    "step, which moves the hands and gives the pendulum a small push.",
    "Where a river flows into a lake or a sea, its current slows and it drops the sand and mud that it carries. The "
    "deposits block its path, so the river divides into several branches, which shift over time. The flat and fertile "
    "land that builds up in this way is called a delta.",
    "Libraries arrange their shelves so that books on the same subject stand together. In the Dewey Decimal "
    "Classification each subject has a number between 0 and 999, followed by decimals for finer divisions. Numbers "
    "from 500 to 599, for example, belong to the natural sciences, and those from 900 on to history and geography.",
)
"""Passages of plain exposition; how likely they are to a model tells what a push does to its language."""
